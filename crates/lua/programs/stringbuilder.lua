-- Builds strings in every way the language offers and checks that they agree.
--
-- Heap stress: strings of all sizes, from one byte to hundreds of kilobytes,
-- most of them dead as soon as the next one exists.
--
-- Arguments: [ROUNDS]
--   ROUNDS  how many pieces each string is built from, 2000 by default

local rounds = tonumber((...)) or 2000

local function checksum(text)
  local sum = 1
  for at = 1, #text, 100 do
    local bytes = { text:byte(at, at + 99) }
    for i = 1, #bytes do
      sum = (sum * 257 + bytes[i]) % 2147483647
    end
  end
  return sum
end

local function report(label, text)
  print(string.format("%-14s %8d %12d", label, #text, checksum(text)))
end

-- Appending one piece at a time: every step copies the whole string.
local appended = ""
for i = 1, rounds do
  appended = appended .. i .. ";"
end
report("append", appended)

-- The same text from a table of pieces.
local pieces = {}
for i = 1, rounds do
  pieces[i] = i .. ";"
end
local joined = table.concat(pieces)
report("concat", joined)
assert(joined == appended)

-- The same text with the separator given to concat.
local numbers = {}
for i = 1, rounds do
  numbers[i] = i
end
assert(table.concat(numbers, ";") .. ";" == joined)
report("separator", table.concat(numbers, ", "))
report("part", table.concat(numbers, "+", rounds // 4, rounds // 2))

-- The same text by joining halves: a balanced tree of concatenations.
local function halves(from, to)
  if from == to then
    return string.format("%d;", from)
  end
  local middle = (from + to) // 2
  return halves(from, middle) .. halves(middle + 1, to)
end
assert(halves(1, rounds) == joined)

-- Many operands in one expression.
local ten = {}
for i = 1, rounds, 10 do
  ten[#ten + 1] = i .. ";" .. i + 1 .. ";" .. i + 2 .. ";" .. i + 3 .. ";" .. i + 4 .. ";"
    .. i + 5 .. ";" .. i + 6 .. ";" .. i + 7 .. ";" .. i + 8 .. ";" .. i + 9 .. ";"
end
report("ten a time", table.concat(ten))

-- Repetition, reversal and case.
report("rep", ("spam"):rep(rounds))
report("rep sep", ("spam"):rep(rounds // 2, ", "))
report("reverse", joined:reverse())
assert(joined:reverse():reverse() == joined)
report("upper", ("mixed Case "):rep(rounds):upper())
report("lower", ("mixed Case "):rep(rounds):lower())

-- Formatting.
local lines = {}
for i = 1, rounds do
  lines[i] = string.format("%05d|%-8s|%8.3f|%x|%q", i, "n" .. i % 97, i / 7, i * 2654435761 % 4294967296, "a\"" .. i)
end
local formatted = table.concat(lines, "\n")
report("format", formatted)

-- Replacement by string, table and function.
report("gsub string", (formatted:gsub("|", " - ")))
report("gsub capture", (formatted:gsub("(%d+)%.(%d+)", "%2,%1")))
report("gsub table", (formatted:gsub("n(%d+)", { ["1"] = "one", ["2"] = "two", ["96"] = "last" })))
local calls = 0
report("gsub function", (formatted:gsub("%d+", function(digits)
  calls = calls + 1
  if calls % 3 == 0 then
    return nil
  end
  return tonumber(digits) + calls
end)))
print("calls", calls)

-- Cutting the text up again.
local sum, fields = 0, 0
for field in joined:gmatch("([^;]*);") do
  sum, fields = sum + tonumber(field), fields + 1
end
print("fields", fields, "sum", sum)

local position, cuts = 1, {}
while true do
  local at = joined:find(";", position, true)
  if not at then
    break
  end
  cuts[#cuts + 1] = joined:sub(position, at - 1)
  position = at + 1
end
assert(#cuts == rounds and cuts[rounds] == tostring(rounds))

-- Strings as keys: equal text made twice must find the same slot.
local slots, hits = {}, 0
for i = 1, rounds do
  slots[("key" .. i):rep(3)] = i
end
for i = rounds, 1, -1 do
  if slots["key" .. i .. "key" .. i .. "key" .. i] == i then
    hits = hits + 1
  end
end
print("hits", hits)

-- Doubling up to a large string, then eating it from the front.
local doubled = "x"
while #doubled < rounds * 32 do
  doubled = doubled .. doubled
end
report("doubled", doubled)
local bites = 0
while #doubled > 0 do
  doubled = doubled:sub(1 + (#doubled + 7) // 8)
  bites = bites + 1
end
print("bites", bites)
