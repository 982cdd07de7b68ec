-- Items that move in one go: table.move, table.insert and table.remove, within the array part, beyond it, and both.
local function show(t, n)
  local out = {}
  for i = 1, n do out[i] = tostring(t[i]) end
  return table.concat(out, " ")
end
local function fill(n)
  local t = {}
  for i = 1, n do t[i] = i end
  return t
end

for _, case in ipairs{{1, 8, 3}, {3, 10, 1}, {1, 10, 1}, {2, 1, 5}, {1, 4, 7}, {1, 4, 9}, {5, 12, 1}, {0, 3, 2}, {-2, 2, 4}, {9, 12, 8}} do
  local t = fill(10)
  print(table.unpack(case))
  print(show(table.move(t, case[1], case[2], case[3]), 16), #t > 0)
end

-- Into another table, which has no room, some, or enough.
for n = 0, 12, 4 do
  local t = fill(n)
  local to = table.move(fill(9), 2, 9, 3, t)
  print(n, to == t, show(t, 14))
end

-- Holes, and values of all kinds.
local mixed = {1, nil, "three", {}, nil, print, 7.5, false}
mixed[4] = nil
table.move(mixed, 1, 8, 2)
print(type(mixed[7]), mixed[1], mixed[2], mixed[4], mixed[6], mixed[8], mixed[9])
table.move({}, 1, 3, 4, mixed)
print(type(mixed[7]), mixed[4], mixed[5], mixed[6], mixed[8])

-- Long ones, so that collections come in between; every item must survive its move.
local long = {}
for i = 1, 3000 do long[i] = {i} end
for round = 1, 40 do
  table.insert(long, 1 + round * 7, table.remove(long, 3000 - round * 11))
  table.move(long, 1, 2000, 1001)
  table.move(long, 501, 3000, 1)
  for i = 2501, 3000 do long[i] = {i * round} end
  table.insert(long, 2, {round})
  table.remove(long, 1)
end
local sum = 0
for i = 1, #long do sum = (sum * 31 + long[i][1]) % 1000003 end
print(#long, sum)

-- With metatables nothing is short-cut.
local log = {}
local watched = setmetatable({}, {__newindex = function(t, k, v) log[#log + 1] = k .. "=" .. tostring(v) end})
table.move({1, 2, 3}, 1, 3, 2, watched)
print(table.concat(log, " "))
print(pcall(table.move, {}, 1, math.maxinteger, 2))
print(pcall(table.insert, {1, 2, 3}, 6, 1))
print(pcall(table.remove, {1, 2, 3}, 7))
