-- Table constructors, fields, length, next and the walking of tables.

local function sorted(t)
  local out = {}
  for k, v in pairs(t) do out[#out + 1] = tostring(k) .. "=" .. tostring(v) end
  table.sort(out)
  return "{" .. table.concat(out, " ") .. "}"
end

print("constructors")
print(sorted({}), sorted({ 1, 2, 3 }), sorted({ a = 1, b = 2 }), sorted({ 1, a = 2, 3, ["b c"] = 4, [10] = 5 }))
print(sorted({ 1, 2, [1] = "x", [3] = "y" }), sorted({ nil, 2 }), sorted({ [1.0] = "a", [2 ^ 53] = "b" }))
print(sorted({ "a"; "b", "c"; }), sorted({ { 1 }, x = nil }) ~= "{}", #{ 1, 2, 3, nil }, #{ n = 1 })
local function three() return 1, 2, 3 end
print(sorted({ three() }), sorted({ three(), three() }), sorted({ (three()) }), sorted({ three(), nil }), sorted({ x = three() }))
local function var(...) return { ... }, { ..., "last" }, { "first", ... } end
for _, t in ipairs({ var("a", "b", "c") }) do print(sorted(t)) end
local big = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
  31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60,
  three() }
print(#big, big[50], big[51], big[60], big[61], big[63], big[64])

print("length")
local t = {}
for i = 1, 100 do
  t[i] = i
  assert(#t == i)
end
for i = 100, 1, -1 do
  t[i] = nil
  assert(#t == i - 1)
end
print(#t, next(t))
t = { n = 1 }
for i = 1, 10 do t[#t + 1] = i * i end
print(#t, t[10], t[11], #"abc", #{ {}, {} })
t = { 10, 20, 30 }
t[4] = 40; t[6] = 60; t[5] = 50
print(#t, t[6])
t[#t] = nil
print(#t)

print("next and pairs")
t = { a = 1, b = 2, c = 3, 10, 20, 30 }
local count, sum = 0, 0
local k, v = next(t)
while k do
  count, sum = count + 1, sum + v
  k, v = next(t, k)
end
print(count, sum, next({}), next({ 5 }), next({ 5 }, 1))
for key in pairs(t) do t[key] = nil end
print(next(t))
t = {}
for i = 1, 50 do t["k" .. i] = i end
for key, value in pairs(t) do
  if value % 2 == 0 then t[key] = nil else t[key] = value * 10 end
end
sum, count = 0, 0
for _, value in pairs(t) do sum, count = sum + value, count + 1 end
print(sum, count)
print(pcall(function() return next({}, "missing") end))
print(pcall(function() return next({ 1, 2 }, 3) end))
print(pcall(function() return next(nil) end))
print(pcall(function() for _ in pairs(nil) do end end))
print(pcall(function() return pairs() end))
print(pcall(function() return ipairs() end))
print(pcall(function() for _ in ipairs(nil) do end end))

print("ipairs")
local seen = {}
for i, value in ipairs({ 1, 2, nil, 4 }) do seen[#seen + 1] = i .. ":" .. value end
print(table.concat(seen, " "))
for i, value in ipairs(setmetatable({}, { __index = function(_, i) if i <= 3 then return i * 100 end end })) do print(i, value) end
local list = { 1, 2, 3 }
for i in ipairs(list) do if i < 6 then list[#list + 1] = i end end
print(#list)

print("nil keys and values")
t = {}
print(t[nil], rawget(t, nil), t.x, t[1], t[0 / 0])
print(pcall(function() t[nil] = 1 end))
print(pcall(function() t[0 / 0] = 1 end))
print(pcall(function() rawset(t, nil, 1) end))
print(pcall(function() return { [nil] = 1 } end))
t[1] = nil; t.x = nil
print(next(t))

print("nesting and references")
local a = { inner = { deep = { 1, 2, { "bottom" } } } }
a.self = a
print(a.self.self.inner.deep[3][1], a == a.self, #a.inner.deep, a.inner["deep"][1])
local b = a.inner
b.deep = "changed"
print(a.inner.deep, a.inner == b)
a[a] = "by itself"
a[print] = "by function"
a[true], a[false] = "yes", "no"
print(a[a], a[print], a[true], a[false], a[not false])

print("assignment order")
local i = 1
t = { 0, 0, 0 }
i, t[i] = i + 1, 20
print(i, t[1], t[2])
local x, y, z = 1, 2
x, y = y, x
print(x, y, z)
t = { 1, 2, 3 }
t[1], t[2], t[3] = t[3], t[1], t[2]
print(t[1], t[2], t[3])
do
  local p, q = {}, {}
  local keep = p
  p.field, p = "set", q
  print(keep.field, p.field)
end
print(select("#", table.unpack({}, 1, 3)), rawlen({ 1, 2 }), rawlen("abc"), rawequal(t, t), rawget(t, 1))
