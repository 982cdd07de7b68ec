-- Yields across pcall, metamethods, iterators and library functions.

local yield = coroutine.yield
local function drive(label, f, ...)
  local co = coroutine.create(f)
  local out, n = {}, 0
  local result = table.pack(coroutine.resume(co, ...))
  while coroutine.status(co) == "suspended" do
    n = n + 1
    out[#out + 1] = tostring(result[2])
    result = table.pack(coroutine.resume(co, "r" .. n))
  end
  for i = 1, result.n do result[i] = tostring(result[i]) end
  print(label, "[" .. table.concat(out, " ") .. "]", table.concat(result, " ", 1, result.n))
end

print("pcall and xpcall")
drive("pcall", function() return pcall(function() return yield(1), yield(2) end) end)
drive("pcall then error", function() return pcall(function() yield(1); error("after", 0) end) end)
drive("pcall position", function() return pcall(function() yield(1); error("after") end) end)
drive("error then yield", function()
  local ok, m = pcall(error, "first", 0)
  yield(m)
  return ok
end)
drive("nested", function()
  return pcall(function()
    local ok, m = pcall(function() yield("inner"); error("e1", 0) end)
    yield(m)
    error("e2", 0)
  end)
end)
drive("xpcall", function() return xpcall(function(a) yield(a); error("x", 0) end, function(m) return "handled " .. m end, "arg") end)
drive("xpcall ok", function() return xpcall(function(...) return yield(...) end, print, 1, 2) end)
drive("loop of pcalls", function()
  local s = ""
  for i = 1, 5 do
    local ok, v = pcall(function() if i % 2 == 0 then error("e" .. yield(i), 0) end return yield(i) end)
    s = s .. tostring(ok) .. v .. " "
  end
  return s
end)
drive("deep pcall", function()
  local function deep(n) if n == 0 then return yield("bottom") end return select(2, pcall(deep, n - 1)) end
  return deep(50)
end)
drive("pcall of yield", function() return pcall(yield, "direct") end)

print("metamethods")
local mt = {}
for _, op in ipairs({ "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor", "bxor", "shl", "shr", "bnot", "concat", "len", "eq", "lt", "le", "call" }) do
  mt["__" .. op] = function() return yield(op) end
end
mt.__index = function(_, k) return yield("index " .. (type(k) == "table" and "a table" or k)) end
mt.__newindex = function(_, k, v) yield("newindex " .. tostring(k)) end
local function object() return setmetatable({}, mt) end
local a, b = object(), object()
drive("add", function() return a + b, a + 1, 1 + a end)
drive("arith", function() return a - 1, a * 1, a / 1, a % 1, a ^ 1, a // 1, -a end)
drive("bits", function() return a & 1, 1 | a, a ~ 1, a << 1, a >> 1, ~a end)
drive("concat", function() return a .. "x", "x" .. a, "x" .. "y" .. a .. "z" end)
drive("len", function() return #a end)
drive("compare", function() return a == b, a ~= b, a < b, a <= b, a > b, not (a >= b) end)
drive("branches", function() if a < b then return "less" else return "not less" end end)
drive("index", function() return a.x, a[1], a[b] end)
drive("index method", function() return pcall(function() return a:method() end) end)
drive("newindex", function() a.x = 1; a[1] = 2; return rawget(a, "x") end)
drive("call", function() return a(1, 2) end)
drive("tail call", function() return (a()) end)
drive("chain", function() return setmetatable({}, { __index = setmetatable({}, { __index = a }) }).deep end)
drive("global", function()
  local env = setmetatable({}, { __index = function(_, k) return yield("global " .. k) end, __newindex = function(_, k) yield("set " .. k) end })
  local f = load("x = y; return z", "=env", "t", env)
  return f()
end)
drive("close", function()
  do
    local c <close> = setmetatable({}, { __close = function(_, e) yield("closing " .. tostring(e)) end })
    yield("body")
  end
  return "after"
end)
drive("close on error", function()
  return pcall(function()
    local c <close> = setmetatable({}, { __close = function(_, e) yield("closing " .. tostring(e)) end })
    error("broken", 0)
  end)
end)
drive("close on return", function()
  local c <close> = setmetatable({}, { __close = function() yield("closing") end })
  return "one", "two"
end)
drive("close on break", function()
  for i = 1, 3 do
    local c <close> = setmetatable({}, { __close = function() yield("closing " .. i) end })
    if i == 2 then break end
  end
  return "out"
end)

print("iterators")
drive("iterator", function()
  local s = ""
  for v in function(_, i) i = (i or 0) + 1; if i <= 3 then yield("it" .. i); return i end end do s = s .. v end
  return s
end)
drive("__call iterator", function()
  local n = 0
  local it = setmetatable({}, { __call = function() n = n + 1; if n <= 2 then return yield(n) end end })
  local s = ""
  for v in it do s = s .. v end
  return s
end)
drive("__pairs", function()
  local t = setmetatable({}, { __pairs = function(t) yield("pairs"); return next, { k = "v" }, nil end })
  for k, v in pairs(t) do yield(k .. v) end
end)
drive("ipairs __index", function()
  local s = ""
  for i, v in ipairs(setmetatable({}, { __index = function(_, i) if i < 3 then return "v" .. i end end })) do s = s .. yield(v) end
  return s
end)

print("not across these")
drive("sort", function() return pcall(table.sort, { 3, 2, 1 }, function(x, y) yield() return x < y end) end)
drive("gsub", function() return pcall(string.gsub, "abc", ".", function() yield() end) end)
drive("tostring", function() return pcall(tostring, setmetatable({}, { __tostring = function() return yield() end })) end)
drive("load reader", function() return load(function() return yield() end) end)
drive("after the refusal", function()
  pcall(string.gsub, "abc", ".", function() yield() end)
  return yield("still works")
end)
drive("inner coroutine in sort", function()
  local t = { 3, 1, 2 }
  table.sort(t, coroutine.wrap(function(x, y) while true do x, y = yield(x < y) end end))
  return table.concat(t)
end)

print("in expressions and chunks")
drive("load", function() return load("local y = ... ; return y('a'), y('b')")(yield) end)
drive("select and unpack", function() return select("#", yield(1), yield(2)), table.unpack({ yield(3), yield(4) }) end)
drive("arguments", function() return (function(...) return ... end)(yield("x"), yield("y")) end)
drive("table constructor", function() local t = { yield(1), k = yield(2), yield(3) }; return t[1], t.k, t[2] end)
drive("conditions", function() return yield(1) and yield(2) or yield(3) end)
drive("nested wrap", function()
  local inner = coroutine.wrap(function() yield("i1"); yield("i2") end)
  return yield(inner() .. "!"), yield(inner() .. "!")
end)
