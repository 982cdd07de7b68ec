-- Counts the words of a text file and prints the most frequent ones.
--
-- A word is a run of ASCII letters, compared without case.  The program reads
-- the file line by line and cuts every line with gmatch.
--
-- Heap stress: floods of short strings, nearly all of which die at once, while
-- one string-keyed table keeps growing and holds on to one copy of each word.
--
-- Arguments: FILE [TOP]
--   FILE  the text to read; there is no default
--   TOP   how many words to list, 20 by default

local path = ...
local top = tonumber((select(2, ...))) or 20
if not path then
  error("usage: wordcount.lua FILE [TOP]", 0)
end

local counts, total, distinct, line_count = {}, 0, 0, 0

for line in io.lines(path) do
  line_count = line_count + 1
  for word in line:lower():gmatch("%a+") do
    local seen = counts[word]
    if seen then
      counts[word] = seen + 1
    else
      counts[word] = 1
      distinct = distinct + 1
    end
    total = total + 1
  end
end

local words = {}
for word in pairs(counts) do
  words[#words + 1] = word
end
table.sort(words, function(a, b)
  local ca, cb = counts[a], counts[b]
  if ca ~= cb then
    return ca > cb
  end
  return a < b
end)

-- A checksum over all the counts, in sorted order, so that a mistake far below
-- the top of the list still shows.
local check = 0
for rank, word in ipairs(words) do
  check = (check * 31 + counts[word] * #word + rank) % 2147483647
end

print("lines", line_count)
print("words", total)
print("distinct", distinct)
print("checksum", check)
for rank = 1, math.min(top, #words) do
  local word = words[rank]
  print(string.format("%4d  %-16s %8d  %5.2f%%", rank, word, counts[word], 100 * counts[word] / total))
end
