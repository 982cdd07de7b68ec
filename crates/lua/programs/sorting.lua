-- Sorting: table.sort with all sorts of comparators, and sorts of its own.
--
-- Heap stress: comparators that allocate, errors thrown out of the middle of a
-- sort, and merge sorts that make a new array at every level.
--
-- Arguments: [COUNT]
--   COUNT  how many elements the large arrays have, 5000 by default

local count = tonumber((...)) or 5000

local seed = 31415
local function random(limit)
  seed = seed * 48271 % 2147483647
  return seed % limit + 1
end

local function is_sorted(list, less)
  for i = 2, #list do
    if less(list[i], list[i - 1]) then return false end
  end
  return true
end

local function ascending(a, b) return a < b end
local function descending(a, b) return a > b end

local function checksum(list)
  local sum = 0
  for i = 1, #list do sum = (sum * 31 + list[i]) % 2147483647 end
  return sum
end

local function fill(make)
  local list = {}
  for i = 1, count do list[i] = make(i) end
  return list
end

-- table.sort on arrays of several shapes.
local shapes = {
  { "random", function() return random(1000000) end },
  { "few values", function() return random(10) end },
  { "ascending", function(i) return i end },
  { "descending", function(i) return count - i end },
  { "equal", function() return 5 end },
  { "organ pipe", function(i) return i < count / 2 and i or count - i end },
  { "sawtooth", function(i) return i % 100 end },
}
for _, shape in ipairs(shapes) do
  local list = fill(shape[2])
  local sum = 0
  for _, value in ipairs(list) do sum = sum + value end
  table.sort(list)
  local up, first = is_sorted(list, ascending), checksum(list)
  table.sort(list, descending)
  local down = is_sorted(list, descending)
  for _, value in ipairs(list) do sum = sum - value end
  print(string.format("%-12s %s %s %d %d", shape[1], up, down, first, sum))
end

-- Mixed integers and floats, and strings.
local mixed = fill(function(i) return i % 2 == 0 and random(1000) or random(1000) + 0.5 end)
table.sort(mixed)
print("mixed", is_sorted(mixed, ascending), mixed[1] <= mixed[2])
local words = {}
for word in ("the quick brown fox jumps over The lazy dog a A zebra Zebra 10 9 2 _ ~"):gmatch("%S+") do
  words[#words + 1] = word
end
table.sort(words)
print(table.concat(words, " "))
table.sort(words, function(a, b)
  local x, y = a:lower(), b:lower()
  if x ~= y then return x < y end
  return a < b
end)
print(table.concat(words, " "))
table.sort(words, function(a, b) return #a > #b or #a == #b and a < b end)
print(table.concat(words, " "))

-- Records by several fields, with metamethods instead of a comparator.
local Version = {}
Version.__lt = function(a, b)
  for i = 1, 3 do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  return false
end
Version.__tostring = function(v) return table.concat(v, ".") end
local versions = {}
for i = 1, 12 do versions[i] = setmetatable({ random(3), random(3), random(3) }, Version) end
table.sort(versions)
for i, version in ipairs(versions) do versions[i] = tostring(version) end
print(table.concat(versions, " "))

-- Keys of a table in order.
local ages = { ann = 31, bob = 25, cid = 31, dan = 7, eve = 25 }
local names = {}
for name in pairs(ages) do names[#names + 1] = name end
table.sort(names, function(a, b)
  if ages[a] ~= ages[b] then return ages[a] > ages[b] end
  return a < b
end)
print(table.concat(names, " "))

-- Small arrays, and a comparator that allocates.
for size = 0, 6 do
  local list = {}
  for i = 1, size do list[i] = random(9) end
  table.sort(list, function(a, b) return ({ value = a }).value < ({ value = b }).value end)
  assert(is_sorted(list, ascending))
end
local texts = fill(function(i) return random(100000) end)
table.sort(texts, function(a, b) return ("%08d"):format(a) < ("%08d"):format(b) end)
print("by text", is_sorted(texts, ascending))

-- Errors out of a sort leave a permutation of the elements behind.
local calls, damaged = 0, {}
for i = 1, 100 do damaged[i] = 101 - i end
print(pcall(table.sort, damaged, function(a, b)
  calls = calls + 1
  if calls == 50 then error("comparator gave up", 0) end
  return a < b
end))
local seen, distinct = {}, 0
for i = 1, 100 do
  if damaged[i] and not seen[damaged[i]] then
    seen[damaged[i]] = true
    distinct = distinct + 1
  end
end
print("distinct after error", distinct >= 98)
local sorted, complaint = pcall(function() table.sort({ 1, "x" }) end)
print(sorted, complaint:match("attempt to compare"))
print(pcall(function() table.sort({ {}, {} }) end))
print(pcall(function() table.sort({ true, false, true }) end))
print(pcall(function() table.sort({ 1, 2, 3 }, 42) end))

-- A stable merge sort.
local function merge_sort(list, less)
  local size = #list
  if size <= 1 then return list end
  local middle = size // 2
  local left = merge_sort(table.move(list, 1, middle, 1, {}), less)
  local right = merge_sort(table.move(list, middle + 1, size, 1, {}), less)
  local merged, i, j = {}, 1, 1
  for k = 1, size do
    if j > #right or i <= #left and not less(right[j], left[i]) then
      merged[k], i = left[i], i + 1
    else
      merged[k], j = right[j], j + 1
    end
  end
  return merged
end
local records = fill(function(i) return { key = random(50), serial = i } end)
local merged = merge_sort(records, function(a, b) return a.key < b.key end)
local stable = true
for i = 2, #merged do
  local a, b = merged[i - 1], merged[i]
  if a.key > b.key or a.key == b.key and a.serial > b.serial then stable = false end
end
print("merge sort", #merged, stable)

-- A heap sort, against table.sort on the same elements.
local function heap_sort(list, less)
  local function sift(root, size)
    while true do
      local child = root * 2
      if child > size then return end
      if child < size and less(list[child], list[child + 1]) then child = child + 1 end
      if not less(list[root], list[child]) then return end
      list[root], list[child] = list[child], list[root]
      root = child
    end
  end
  for root = #list // 2, 1, -1 do sift(root, #list) end
  for size = #list, 2, -1 do
    list[1], list[size] = list[size], list[1]
    sift(1, size - 1)
  end
end
local heap = fill(function() return random(1000000) end)
local plain = table.move(heap, 1, #heap, 1, {})
heap_sort(heap, ascending)
table.sort(plain)
print("heap sort", checksum(heap) == checksum(plain), is_sorted(heap, ascending))

-- A quick sort that builds new arrays.
local function quick_sort(list)
  if #list <= 1 then return list end
  local pivot, less, same, more = list[#list // 2 + 1], {}, {}, {}
  for _, value in ipairs(list) do
    local into = value < pivot and less or value > pivot and more or same
    into[#into + 1] = value
  end
  local sorted = quick_sort(less)
  table.move(same, 1, #same, #sorted + 1, sorted)
  more = quick_sort(more)
  return table.move(more, 1, #more, #sorted + 1, sorted)
end
local quick = quick_sort(fill(function() return random(100000) end))
print("quick sort", #quick, is_sorted(quick, ascending), checksum(quick))
