-- The generic for loop: iterators, states, and the closing value.

local function range(n)
  return function(limit, i)
    i = i + 1
    if i <= limit then return i, i * i end
  end, n, 0
end
for i, square in range(4) do io.write(i, "=", square, " ") end
print()

-- Stateless, stateful, and callable iterators
local function letters(text)
  local at = 0
  return function()
    at = at + 1
    if at <= #text then return text:sub(at, at), at end
  end
end
for letter, at in letters("abc") do io.write(letter, at, " ") end
print()
local countdown = setmetatable({ n = 3 }, { __call = function(self, state, control)
  if self.n == 0 then return nil end
  self.n = self.n - 1
  return self.n, state, control
end })
for n, state, control in countdown, "state", "control" do print(n, state, control) end

-- Only the first value decides, and missing values are nil.
for a, b, c in function(_, i) i = i + 1; if i < 3 then return i end end, nil, 0 do print(a, b, c) end
for a in function(_, a) if a == nil then return false end end do print("false does not stop", a) end
for _ in function() return nil, "ignored" end do print("never") end

-- The loop variables are fresh, and changing the first does not disturb the loop.
local closures = {}
for k, v in ipairs({ "x", "y", "z" }) do
  closures[#closures + 1] = function() k = k + 1; return k .. v end
  k = 100
end
print(closures[1](), closures[1](), closures[2](), closures[3]())

-- The iterator is adjusted to four values; extra ones are dropped.
local function many() return next, { only = 1 }, nil, nil, "extra" end
for k, v in many() do print(k, v) end

-- pairs with __pairs, ipairs with __index
local custom = setmetatable({}, { __pairs = function(t) return function(_, k) if not k then return 1, "made" end end, t, nil end })
for k, v in pairs(custom) do print(k, v) end

-- Removing while walking
local t = { a = 1, b = 2, c = 3, d = 4 }
local removed = 0
for k in pairs(t) do t[k] = nil; removed = removed + 1 end
print(removed, next(t))

-- The closing value
local function closing(name, log)
  return setmetatable({}, { __close = function(_, err) log[#log + 1] = name .. ":" .. tostring(err) end })
end
local function counted(n, log, name)
  return function(_, i) if i < n then return i + 1 end end, nil, 0, closing(name, log)
end

local log = {}
for i in counted(2, log, "end") do log[#log + 1] = i end
for i in counted(5, log, "break") do
  log[#log + 1] = i
  if i == 2 then break end
end
local function leave()
  for i in counted(5, log, "return") do
    if i == 3 then return "left", i end
  end
end
print(leave())
for i in counted(3, log, "goto") do
  if i == 1 then goto out end
end
::out::
print(pcall(function()
  for i in counted(3, log, "error") do error("inside", 0) end
end))
print(pcall(function()
  for _ in function() error("iterator", 0) end, nil, nil, closing("iterator error", log) do end
end))
for i in counted(2, log, "outer") do
  for j in counted(1, log, "inner" .. i) do log[#log + 1] = i * 10 + j end
end
print(table.concat(log, " "))
print(pcall(function() for _ in next, {}, nil, {} do end end))
for _ in next, {}, nil, false do end

-- Calling a value that is no function
print(pcall(function() for _ in nil do end end))
print(pcall(function() for _ in 5 do end end))
print(pcall(function() for _ in {} do end end))
print(pcall(function() local t = { 1 } for k, v in t do end end))

-- Coroutines as iterators
for a, b in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i + 0.5) end end) do io.write(a, ":", b, " ") end
print()

-- while and repeat
local n = 0
while true do
  n = n + 1
  if n > 5 then break end
end
repeat
  local done = n > 8
  n = n + 1
until done
print(n)
while nil do end
repeat until 0
local i = 10
while i > 0 do i = i - 3 end
print(i)
