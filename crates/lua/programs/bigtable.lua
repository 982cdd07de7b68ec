-- One big table with string keys, under inserts, deletes and rehashes.
--
-- Everything printed is a sum or a count, so that the order in which a table
-- happens to be walked does not matter.
--
-- Heap stress: a hash part that is doubled again and again while it is full of
-- references, slots that die and are used again, and a long life for keys that
-- are themselves heap strings.
--
-- Arguments: [KEYS]
--   KEYS  how many keys the table holds at its largest, 30000 by default

local keys = tonumber((...)) or 30000

local function summary(label, map)
  local count, values, lengths, mixed = 0, 0, 0, 0
  for key, value in pairs(map) do
    count = count + 1
    values = values + value
    lengths = lengths + #key
    mixed = (mixed + value * #key) % 1000000007
  end
  print(string.format("%-10s %8d %14d %10d %12d", label, count, values, lengths, mixed))
end

local function key_of(i)
  return "key:" .. i .. ":" .. i % 7
end

-- Insert
local map = {}
for i = 1, keys do
  map[key_of(i)] = i
end
summary("inserted", map)

-- Look up: every key that is there, and as many that are not.
local found, missing = 0, 0
for i = 1, keys * 2 do
  if map[key_of(i)] == i then
    found = found + 1
  else
    missing = missing + 1
  end
end
print("found", found, "missing", missing)

-- Overwrite
for i = 1, keys, 3 do
  map[key_of(i)] = -i
end
summary("changed", map)

-- Delete while walking: assigning nil to the present key is allowed.
local deleted = 0
for key, value in pairs(map) do
  if value % 4 == 0 then
    map[key] = nil
    deleted = deleted + 1
  end
end
print("deleted", deleted)
summary("thinned", map)

-- Churn: a window of keys moves through the table, which stays the same size.
local window = {}
for i = 1, keys do
  window["w" .. i] = i
  if i > 1000 then
    window["w" .. i - 1000] = nil
  end
end
summary("window", window)

-- Drain the table to nothing and fill it again.
for i = 1, keys do
  map[key_of(i)] = nil
end
print("empty", next(map) == nil)
for i = 1, keys // 2 do
  map["again" .. i] = 1
end
summary("refilled", map)

-- Keys of every type in one table.
local mixed = {}
for i = 1, 1000 do
  mixed[i] = 1
  mixed[-i] = 2
  mixed[i + 0.5] = 3
  mixed[i * 2.0] = 4
  mixed["s" .. i] = 5
  mixed[{ i }] = 6
  mixed[function() return i end] = 7
end
mixed[true], mixed[false] = 8, 9
local by_type, by_value = {}, {}
for key, value in pairs(mixed) do
  local kind = math.type(key) or type(key)
  by_type[kind] = (by_type[kind] or 0) + 1
  by_value[value] = (by_value[value] or 0) + 1
end
local kinds = {}
for kind, count in pairs(by_type) do
  kinds[#kinds + 1] = kind .. "=" .. count
end
table.sort(kinds)
print(table.concat(kinds, " "))
print(table.concat(by_value, " "))

-- An array that starts in the wrong order ends as a sequence.
local backwards = {}
for i = 5000, 1, -1 do
  backwards[i] = i
end
local sum = 0
for i, value in ipairs(backwards) do
  assert(i == value)
  sum = sum + value
end
print("backwards", #backwards, sum)

-- Many small tables, each grown past several sizes.
local small = 0
for i = 1, 300 do
  local t = {}
  for j = 1, i % 40 do
    t["f" .. j] = j
    t[j] = j
  end
  for _, value in pairs(t) do
    small = small + value
  end
end
print("small", small)
