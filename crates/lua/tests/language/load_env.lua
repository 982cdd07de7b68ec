-- load: texts, readers, names, modes, environments and _ENV.

print("texts")
print(load("return 1 + 1")(), load("local a, b = ... return b, a")(1, 2))
print(load("x_global = 5")(), x_global)
x_global = nil
print(select("#", load("")()), type(load("")), load("return")(), load("return ...", "=c")("passed"))
print(load("#!shebang is not skipped here"))
print(load("return 'a\\nb'")(), load("-- only a comment")(), load("return [[\n]]")() == "")

print("readers")
local function reader(...)
  local parts, i = { ... }, 0
  return function() i = i + 1; return parts[i] end
end
print(load(reader("return ", "1", " + 2"))(), load(reader("re", "tu", "rn 'sp", "lit'"))(), load(reader())(), load(reader("return 5", "", " + nothing"))())
print(load(reader("return ", 5))())
print(pcall(function() return load(reader("return ", {})) end))
print(pcall(function() return load(function() error("in reader", 0) end) end))
print(pcall(function() return load(function() error({}) end) == nil end))
local calls = 0
print(load(function() calls = calls + 1; if calls <= 300 then return " " elseif calls == 301 then return "return 'long'" end end)())

print("names")
for _, name in ipairs({ "=name", "@file.lua", "text", "first\nsecond", ("x"):rep(100), "=" .. ("y"):rep(100), "@" .. ("z"):rep(100), "" }) do
  print(select(2, load("error(", name)))
  print(pcall(load("error('run')", name)))
end
print(select(2, load("x = = 1")))
print(select(2, load("a\nb\nc = = 1")))
print(select(2, load(reader("x = = 1"))))
print(select(2, load("\n\nx = = 1", "=three")))
print(pcall(load("local t = nil\n\nreturn t.x")))

print("modes")
print(load("return 1", "=m", "t")(), load("return 1", "=m", "bt")())
print(load("return 1", "=m", "b"))
print(load("\27nonsense", "=m", "t"))

print("environments")
local env = { print = print, y = 10 }
print(load("return y", "=e", "t", env)(), load("y = y + 1; z = 'new'; return y", "=e", "t", env)(), env.y, env.z, z)
print(pcall(load("return tostring(1)", "=e", "t", env)))
print(pcall(load("return nothing.x", "=e", "t", {})))
print(pcall(load("return y", "=e", "t", nil)))
print(load("return _ENV", "=e", "t", env)() == env, load("return _ENV")() == _G)
local counting = setmetatable({}, { __index = function(_, k) return k .. "?" end, __newindex = function(t, k, v) rawset(t, k, v * 2) end })
print(load("a = 5; return a, b", "=e", "t", counting)())
local f1 = load("n = (n or 0) + 1; return n", "=e", "t", {})
local f2 = load("n = (n or 0) + 1; return n", "=e", "t", {})
print(f1(), f1(), f2(), n)
print(load("local function inner() return shared end return inner", "=e", "t", { shared = "deep" })()())

print("_ENV as a local")
do
  local _ENV = { x = "local env" }
  x2 = x
  local inner = function() return x, x2 end
  y = inner
end
do
  local print, tostring = print, tostring
  local _ENV = setmetatable({}, { __index = _G })
  made = 1
  print(made, _G.made, tostring(rawget(_ENV, "made")))
end
local function with_env(_ENV) return a, b end
print(with_env({ a = 1, b = 2 }))
print(pcall(function() local _ENV = nil; return x end))
print(pcall(function() local _ENV = 5; return x end))
print(pcall(function() local _ENV <const> = { v = "const" }; return v end))
local function setter(_ENV, value) field = value; return _ENV end
print(setter({}, "set").field, _ENV == _G, _G._G == _G, _ENV._G == _G)

print("_G")
new_global = "g"
print(_G.new_global, _ENV.new_global, rawget(_G, "new_global"), load("return new_global")())
_G.new_global = nil
print(new_global, _G["pri" .. "nt"] == print, type(_G), _VERSION)
local saved = print
print = function(...) saved("wrapped", ...) end
print("x")
print = saved
print("x")

print("closures of chunks")
local chunk = load("local n = ... ; return function() n = n + 1; return n end")
local c1, c2 = chunk(10), chunk(20)
print(c1(), c1(), c2(), chunk ~= load("return 1"))
local many = {}
for i = 1, 50 do many[i] = load("return " .. i .. " * ...")(i) end
print(many[7], many[50])

print("big chunks")
local parts = { "local t = {}" }
for i = 1, 500 do parts[#parts + 1] = "t[" .. i .. "] = 'constant " .. i .. "'" end
parts[#parts + 1] = "return t"
local big = load(table.concat(parts, "\n"))()
print(#big, big[1], big[300], big[500])
local sum = load("return " .. ("1 + "):rep(1000) .. "1")
print(sum())
local list = {}
for i = 1, 400 do list[i] = tostring(i) end
local t = load("return {" .. table.concat(list, ",") .. "}")()
print(#t, t[256], t[257], t[400])
local floats = {}
for i = 1, 300 do floats[i] = i .. ".5" end
t = load("return {" .. table.concat(floats, ",") .. "}")()
print(#t, t[1], t[255], t[256], t[300])
local fields = {}
for i = 1, 300 do fields[i] = "field" .. i .. " = " .. i end
t = load("return {" .. table.concat(fields, ",") .. "}")()
print(t.field1, t.field255, t.field256, t.field300)
local locals = {}
for i = 1, 180 do locals[i] = "local v" .. i .. " = " .. i end
print(load(table.concat(locals, "\n") .. "\nreturn v1 + v90 + v180")())
