-- words.lua FILE -- counts the words of a source and the pairs of them, and sorts.
local count, lines, pairs_of, number = {}, {}, {}, 0
for line in io.lines(arg[1]) do
    local before
    number = number + 1
    for word in line:gmatch("[%a_][%w_]*") do
        count[word] = (count[word] or 0) + 1
        lines[word] = lines[word] or {}
        table.insert(lines[word], number)
        if before then
            local pair = before .. " " .. word
            pairs_of[pair] = (pairs_of[pair] or 0) + 1
        end
        before = word
    end
end

local function sorted(counts)
    local names = {}
    for name in pairs(counts) do table.insert(names, name) end
    table.sort(names, function(a, b)
        return counts[a] > counts[b] or counts[a] == counts[b] and a < b
    end)
    return names
end

for _, word in ipairs(sorted(count)) do print(word, count[word], table.concat(lines[word], ",")) end
for _, pair in ipairs(sorted(pairs_of)) do print(pair, pairs_of[pair]) end
