-- The numeric for loop: limits, steps, overflow and floats.

local function shown(v)
  if type(v) == "table" then return "a table" end
  return v == v and tostring(v) or "not a number"
end

local function run(a, b, c)
  local out, n = {}, 0
  local ok, message = pcall(function()
    if c == nil then
      for i = a, b do
        n = n + 1
        out[n] = tostring(i)
        if n == 12 then out[n + 1] = "..." break end
      end
    else
      for i = a, b, c do
        n = n + 1
        out[n] = tostring(i)
        if n == 12 then out[n + 1] = "..." break end
      end
    end
  end)
  print(shown(a), shown(b), shown(c), ok and n or message, table.concat(out, " "))
end

local max, min = math.maxinteger, math.mininteger
run(1, 5)
run(5, 1)
run(1, 1)
run(5, 1, -1)
run(1, 5, 2)
run(1, 6, 2)
run(-3, 3)
run(1, 0, -1)
run(10, -10, -7)
run(0, 100, 10)

run(max - 2, max)
run(max, max)
run(min, min + 2)
run(min + 2, min, -1)
run(max - 5, max, 3)
run(min + 5, min, -3)
run(min, max, max)
run(max, min, min)
run(1, max, max // 2)
run(-1, min, min)
run(max, max + 0.0)
run(1, math.huge)
run(1, -math.huge)
run(1, -math.huge, -1)
run(max - 1, 1e300)
run(min + 1, -1e300, -1)
run(1, 1e300, max)

run(1.0, 3)
run(1, 3.5)
run(1, 2.9)
run(-1, -3.5, -1)
run(1, 0.5)
run(1.5, 4)
run(0, 1, 0.25)
run(0.1, 0.5, 0.1)
run(1, 0, -0.25)
run(3, 1, -0.5)
run(1.0, 3.0, 1)
run(math.huge, 1)
run(-math.huge, 0)
run(1, 3, math.huge)
run(1, 0 / 0)
run(1, 2 ^ 53)
run(2 ^ 53, 2 ^ 53 + 4)

run(1, 10, 0)
run(1, 10, 0.0)
run(1, 10, -0.0)
run("1", 10)
run(1, "10")
run(1, 10, "1")
run(nil, 10)
run({}, 10)
run(1, nil)
run(1, true)
run(1, 2, "x")
run(1.5, "2")
run(1, {}, 1)

-- The variable is fresh and may be changed without changing the loop.
local seen = {}
for i = 1, 4 do
  seen[#seen + 1] = i
  i = i * 10
  seen[#seen + 1] = i
end
print(table.concat(seen, " "))

-- The three values are computed once, in order.
local log = {}
local function value(name, v) log[#log + 1] = name; return v end
for i = value("start", 1), value("limit", 3), value("step", 1) do log[#log + 1] = i end
print(table.concat(log, " "))
local limit = 3
for i = 1, limit do limit = 10; log = i end
print(log, limit)

-- Nesting, break, goto continue and return out of the loop
local pairs_found = {}
for i = 1, 4 do
  for j = i, 4 do
    if j == 3 then goto continue end
    if i + j > 6 then break end
    pairs_found[#pairs_found + 1] = i .. j
    ::continue::
  end
end
print(table.concat(pairs_found, " "))
local function first_multiple(n, above)
  for i = above + 1, above * 10 do
    if i % n == 0 then return i end
  end
end
print(first_multiple(7, 50), first_multiple(1000, 2))
for i = 3, 1 do error("never") end
do local i = "outer" for i = i == "outer" and 1 or 9, 2 do io.write(i, " ") end print(i) end

-- Error positions and names
print(pcall(function()
  for i = 1, 10, 0 do end
end))
print(pcall(function()
  local t = {}
  for i = t, 10 do end
end))
print(pcall(function() for i = 1, 10, {} do end end))
