-- How numbers are normalised as keys.

local t = {}
t[1], t[2.0], t[3.5], t[-1], t[-1.0], t[0], t[-0.0] = "one", "two", "half", "minus", "minus again", "zero", "zero again"
print(t[1], t[1.0], t[2], t[3.5], t[-1], t[0], t[0.0], t[-0.0], #t)
local kinds = {}
for k in pairs(t) do kinds[#kinds + 1] = tostring(k) .. ":" .. math.type(k) end
table.sort(kinds)
print(table.concat(kinds, " "))

t = {}
t[2 ^ 53] = "float"
print(t[1 << 53], t[2 ^ 53], t[(1 << 53) + 1], math.type(next(t)))
t = {}
t[2 ^ 63] = "beyond"
print(t[2 ^ 63], t[math.maxinteger], t[math.mininteger], math.type(next(t)))
t = {}
t[-2 ^ 63] = "least"
print(t[math.mininteger], math.type(next(t)))
t = { [math.maxinteger] = "max", [math.mininteger] = "min", [math.huge] = "inf", [-math.huge] = "-inf" }
print(t[math.maxinteger], t[math.mininteger], t[math.huge], t[-math.huge], t[math.maxinteger + 0.0], #t)

t = { [1] = "a", [1.0] = "b" }
print(t[1])
t = { "first", [1] = "keyed" }
print(t[1])
t = { ["1"] = "string", [1] = "number" }
print(t["1"], t[1], #t)

-- Keys made at run time
t = {}
for i = 1, 10 do t[i * 0.5] = i end
print(#t, t[1], t[5], t[0.5], t[4.5])
for i = 1, 5 do t[i / 1] = "over" .. i end
print(#t, t[1], t[5])
for i = 10, 1, -1 do t[i // 1.0] = i end
print(#t, t[10], t[5])
print(t["5"], t[tostring(5)], t[tonumber("5")], t[tonumber("5.0")])

-- Through all the ways of access
t = {}
rawset(t, 3.0, "raw")
print(rawget(t, 3), t[3], next(t))
table.insert(t, 1.0, "inserted")
print(t[1], #t >= 1)
t = setmetatable({}, { __index = function(_, k) return math.type(k) or type(k) end, __newindex = function(u, k, v) rawset(u, k, math.type(k)) end })
print(t[5], t[5.0], t[5.5], t["5"])
t[7.0] = true
t[8] = true
t[9.5] = true
print(rawget(t, 7), rawget(t, 8), rawget(t, 9.5))

-- next over integer keys
t = { 10, 20, 30 }
print(next(t, 1), next(t, 2), next(t, 3))
local k = nil
local seen = 0
repeat
  k = next(t, k)
  if k then seen = seen + k end
until not k
print(seen)

-- Not a number is no key; reading it is allowed.
local nan = 0 / 0
print(t[nan], rawget(t, nan), pcall(function() t[nan] = 1 end), pcall(rawset, t, nan, 1))
print(pcall(next, t, nan))

-- Other keys by identity or by content
local a, b = {}, {}
local f = function() end
t = { [a] = "a", [b] = "b", [f] = "f", [true] = "true", [false] = "false", [print] = "print" }
print(t[a], t[b], t[{}], t[f], t[true], t[false], t[print], t[1 == 1], t[not true])
local co = coroutine.create(print)
t[co] = "thread"
t[io.stdout] = "file"
print(t[co], t[io.stdout])
t[("k"):rep(100)] = "long"
print(t[("kk"):rep(50)], t[("k"):rep(99)], t["k" .. ("k"):rep(99)])
t = {}
for i = 1, 200 do t["s" .. i] = i; t[i + 0.25] = i; t[i] = i end
local sum = 0
for i = 1, 200 do sum = sum + t["s" .. i] + t[i + 0.25] + t[i + 0.0] end
print(sum)
for i = 1, 200 do t["s" .. i], t[i + 0.25], t[i] = nil end
print(next(t))
