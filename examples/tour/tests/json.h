/*
 * json.h -- whether a text is one JSON value (RFC 8259), for tests; systems have no common tool
 * for that. It does not check that strings are UTF-8.
 */
#ifndef TOUR_TESTS_JSON_H
#define TOUR_TESTS_JSON_H

#include <stdbool.h>
#include <string.h>

/* Each function takes what is at *at, and moves *at behind it. False: it is not there. */
static bool json_value(const char **at);

static void json_space(const char **at) { *at += strspn(*at, " \t\r\n"); }

static bool json_is(const char **at, char wanted) {
    json_space(at);
    if (**at != wanted) return false;
    ++*at;
    return true;
}

static bool json_escape(const char **at) {
    if (**at != 'u') return **at && strchr("\"\\/bfnrt", *(*at)++);
    if (strspn(*at + 1, "0123456789abcdefABCDEF") < 4) return false;
    *at += 5;
    return true;
}

static bool json_string(const char **at) {
    if (!json_is(at, '"')) return false;
    while ((unsigned char)**at >= 0x20 && **at != '"')
        if (*(*at)++ == '\\' && !json_escape(at)) return false;
    return *(*at)++ == '"';
}

static bool json_digits(const char **at) {
    size_t count = strspn(*at, "0123456789");
    *at += count;
    return count > 0;
}

static bool json_number(const char **at) {
    if (**at == '-') ++*at;
    if (**at == '0' && strspn(*at, "0123456789") > 1) return false;
    if (!json_digits(at)) return false;
    if (**at == '.' && (++*at, !json_digits(at))) return false;
    if (**at != 'e' && **at != 'E') return true;
    *at += 1 + (strchr("+-", (*at)[1]) && (*at)[1]);
    return json_digits(at);
}

static bool json_word(const char **at) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strncmp(*at, words[i], strlen(words[i])) != 0) continue;
        *at += strlen(words[i]);
        return true;
    }
    return false;
}

/* The items of an object or array, behind its bracket, up to its end. */
static bool json_items(const char **at, char end) {
    if (json_is(at, end)) return true;
    do {
        if (end == '}' && !(json_string(at) && json_is(at, ':'))) return false;
        if (!json_value(at)) return false;
    } while (json_is(at, ','));
    return json_is(at, end);
}

static bool json_value(const char **at) {
    json_space(at);
    if (json_is(at, '{')) return json_items(at, '}');
    if (json_is(at, '[')) return json_items(at, ']');
    if (**at == '"') return json_string(at);
    return json_word(at) || json_number(at);
}

static inline bool json_is_valid(const char *text) {
    bool valid = json_value(&text);
    json_space(&text);
    return valid && *text == '\0';
}

#endif
