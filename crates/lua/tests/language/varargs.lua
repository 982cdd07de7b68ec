-- Varargs, select, and the adjustment of arguments and results.

local function count(...) return select("#", ...) end
print(count(), count(nil), count(nil, nil), count(1, nil, 3, nil), count(count()), count(count(), count()))

local function f(...) return ... end
print(f())
print(f(1, 2, 3))
print((f(1, 2, 3)))
print(f(1, 2), f(3, 4))
print(#{ f(1, 2), f(3, 4) }, #{ f(1, 2), (f(3, 4)) }, #{ (f(1, 2)) }, #{ f(), f() }, #{ f(), 1 })
print("x" .. (f("a", "b")), f(1) + f(2, 9), f(5, 6) == 5)

local function first(...) local a = ... return a end
local function firsts(...) local a, b, c = ... return a, b, c end
local function rest(_, ...) return ... end
local function tail(...) return select(2, ...) end
print(first(), first(1, 2), firsts(1), firsts(1, 2, 3, 4))
print(rest(1, 2, 3), rest(1), rest())
print(tail(1, 2, 3))
print(select("#", tail()), select("#", tail(1)), select("#", tail(1, nil)))

print("select")
print(select(1, "a", "b", "c"))
print(select(3, "a", "b", "c"))
print(select(4, "a", "b", "c"))
print(select(-1, "a", "b", "c"))
print(select(-3, "a", "b", "c"))
print(select("2", "a", "b"), select(2.0, "a", "b"))
print(pcall(function() return select(0, 1) end))
print(pcall(function() return select(-2, 1) end))
print(pcall(function() return select("x", 1) end))
print(pcall(function() return select(1.5, 1) end))
print(pcall(function() return select() end))

print("pack and unpack")
local packed = table.pack(f(nil, 2, nil))
print(packed.n, packed[1], packed[2], packed[3])
print(table.unpack({ 1, 2, nil, 4 }, 1, 4))
local function reverse(...)
  local t, n = { ... }, select("#", ...)
  for i = 1, n // 2 do t[i], t[n - i + 1] = t[n - i + 1], t[i] end
  return table.unpack(t, 1, n)
end
print(reverse(1, nil, 3))
print(reverse())

print("fixed parameters")
local function fixed(a, b) return a, b end
print(fixed(), fixed(1), fixed(1, 2), fixed(1, 2, 3))
print(fixed((fixed(1, 2))))
print(fixed(fixed(1, 2)))
local function mixed(a, ...) return a, select("#", ...), ... end
print(mixed())
print(mixed(1))
print(mixed(1, 2, nil))
local object = { name = "object" }
function object:call(...) return self.name, select("#", ...), ... end
print(object:call(1, nil))
print(object.call(object))
print(pcall(object.call, { name = "other" }, "x"))

print("assignment")
local a, b, c = f(1, 2)
print(a, b, c)
a, b, c = f(1, 2), 10
print(a, b, c)
a, b, c = 0, f(1, 2, 3)
print(a, b, c)
local d, e = (f(1, 2))
print(d, e)
local t = {}
t.x, t.y, t.z = f(1, 2, 3, 4)
print(t.x, t.y, t.z)
local g = f(1), f(2)
print(g)

print("returns")
local function none() end
local function one() return nil end
local function three() return 1, nil, nil end
print(select("#", none()), select("#", one()), select("#", three()), select("#", (none())), select("#", (three())))
print(none(), 1)
print((none()))
print(type(one()), pcall(function() return type(none()) end))
print(pcall(function() return tostring(none()) end))
local function chain(n, ...) if n == 0 then return ... end return chain(n - 1, n, ...) end
print(chain(8))
print(f(f(f(1, 2), f(3, 4)), f(5, 6)))

print("many")
local many = {}
for i = 1, 250 do many[i] = i end
local function sum(...)
  local s = 0
  for i = 1, select("#", ...) do s = s + (select(i, ...)) end
  return s, select("#", ...)
end
print(sum(table.unpack(many)))
print(sum(0, table.unpack(many)))
print(#{ table.unpack(many) }, #{ 0, table.unpack(many) }, (select(-1, table.unpack(many))))
print(math.max(table.unpack(many)), select("#", string.byte(("x"):rep(200), 1, -1)))
local function deep(n, ...) if n > 0 then return deep(n - 1, n, ...) end return select("#", ...) end
print(deep(200))
print((function(...) local function inner(...) return ... end return inner(...) end)("passed", "through"))
print((function(...) local n = 0; for _, v in ipairs({ ... }) do n = n + v end return n end)(1, 2, 3))
print((function(...) return function() return "no varargs here" end end)(1)())

print("script")
print(select("#", ...), type(arg), arg[0], #arg)
