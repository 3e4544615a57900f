/*
 * lua.c -- scripts of Lua: strings, and tables.
 */
#include <holdfast/adapt/lua.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "workloads.h"

static const char lua_script_of_strings[] =
    "local scale, parts, lines = ..., {}, {}\n"
    "for i = 1, 2000 * scale do\n"
    "    parts[i] = ('%d:%s'):format(i, ('x'):rep(i % 60))\n"
    "end\n"
    "local text, length = table.concat(parts, ','), 0\n"
    "for word in text:gmatch('%d+:') do length = length + #word end\n"
    "local counted = text:gsub('x+', function(xs) return '<' .. #xs .. '>' end)\n"
    "local grown = ''\n"
    "for i = 1, 300 * scale do grown = grown .. i .. ';' end\n"
    "for line in counted:gmatch('[^,]+') do lines[#lines + 1] = line:reverse():upper() end\n"
    "table.sort(lines)\n"
    "return length .. ' ' .. #grown .. ' ' .. table.concat(lines, '\\n')\n";

static const char lua_script_of_tables[] =
    "local scale, result = ..., {}\n"
    "local function tree(depth)\n"
    "    if depth == 0 then return {} end\n"
    "    return {tree(depth - 1), tree(depth - 1)}\n"
    "end\n"
    "local function nodes(t) return t[1] and 1 + nodes(t[1]) + nodes(t[2]) or 1 end\n"
    "for i = 1, 3 * scale do result[#result + 1] = nodes(tree(4 + i % 9)) end\n"
    "local map, seed = {}, 7\n"
    "for i = 1, 10000 * scale do\n"
    "    seed = (seed * 1103515245 + 12345) % 2147483648\n"
    "    local key = seed % 5000\n"
    "    if seed & 65536 == 0 then map[key] = nil\n"
    "    else map[key] = {key = key, value = i, list = {i, i + 1, i + 2}} end\n"
    "end\n"
    "local keys = {}\n"
    "for key in pairs(map) do keys[#keys + 1] = key end\n"
    "table.sort(keys)\n"
    "for _, key in ipairs(keys) do result[#result + 1] = key .. '=' .. map[key].value end\n"
    "return table.concat(result, ' ')\n";

struct lua_task {
    const char *script;
    unsigned scale;
    FILE *out;
};

/* Runs protected, so that every error for want of memory gets back to lua_run. */
static int lua_task_run(lua_State *state) {
    const struct lua_task *task = lua_touserdata(state, 1);
    size_t size;
    luaL_openlibs(state);
    if (luaL_loadstring(state, task->script) != LUA_OK) return lua_error(state);
    lua_pushinteger(state, task->scale);
    lua_call(state, 1, 1);
    const char *result = lua_tolstring(state, -1, &size);
    fwrite(result, 1, size, task->out);
    return 0;
}

static bool lua_run(hf_heap *heap, const char *script, unsigned scale, FILE *out) {
    struct lua_task task = {script, scale, out};
    lua_State *state = heap ? lua_newstate(hf_lua_alloc, heap) : luaL_newstate();
    if (state == NULL) return false;
    lua_pushcfunction(state, lua_task_run);
    lua_pushlightuserdata(state, &task);
    int status = lua_pcall(state, 1, 0, 0);
    if (status != LUA_OK && status != LUA_ERRMEM) fprintf(out, "%s\n", lua_tostring(state, -1));
    lua_close(state);
    return status != LUA_ERRMEM;
}

bool workload_lua_strings(hf_heap *heap, unsigned scale, FILE *out) {
    return lua_run(heap, lua_script_of_strings, scale, out);
}

bool workload_lua_tables(hf_heap *heap, unsigned scale, FILE *out) {
    return lua_run(heap, lua_script_of_tables, scale, out);
}
