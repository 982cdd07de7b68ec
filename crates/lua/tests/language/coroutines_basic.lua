-- Coroutines: passing values, status, wrap, running, isyieldable, errors.

print("values")
local co = coroutine.create(function(a, b)
  print("start", a, b)
  local c = coroutine.yield(a + b)
  print("got", c)
  local d, e = coroutine.yield()
  print("got", d, e)
  local n = select("#", coroutine.yield(1, nil, 3))
  print("got", n)
  return "the", "end"
end)
print(coroutine.status(co), coroutine.resume(co, 1, 2))
print(coroutine.status(co), coroutine.resume(co, "c"))
print(coroutine.resume(co, "d", "e"))
print(coroutine.resume(co, nil, nil, nil))
print(coroutine.status(co), coroutine.resume(co))
print(coroutine.resume(co, "dead"))

print("wrap")
local gen = coroutine.wrap(function(...)
  local sum = 0
  for i = 1, select("#", ...) do sum = sum + (select(i, ...)) end
  while true do
    local n = coroutine.yield(sum)
    if not n then break end
    sum = sum + n
  end
  return "total", sum
end)
print(gen(1, 2, 3), gen(10), gen(100), gen())
print(pcall(gen))
for v in coroutine.wrap(function() for i = 1, 4 do coroutine.yield(i) end end) do io.write(v, " ") end
print()

print("status")
local outer
outer = coroutine.create(function()
  print("self", coroutine.status(outer))
  local inner = coroutine.create(function()
    print("outer seen from inner", coroutine.status(outer))
    print(coroutine.resume(outer))
  end)
  print("inner", coroutine.status(inner))
  coroutine.resume(inner)
  print("inner", coroutine.status(inner))
  print(coroutine.resume(coroutine.running()))
end)
print(coroutine.status(outer))
coroutine.resume(outer)
print(coroutine.status(outer))

print("running and isyieldable")
local main, is_main = coroutine.running()
print(type(main), is_main, coroutine.isyieldable(), coroutine.status(main))
coroutine.wrap(function()
  local here, main_here = coroutine.running()
  print(type(here), main_here, coroutine.isyieldable(), here ~= main, coroutine.status(main))
  print(coroutine.isyieldable(here), coroutine.isyieldable(main), coroutine.resume(main))
end)()
print(coroutine.isyieldable(coroutine.create(print)), coroutine.resume(main))

print("yield outside")
print(pcall(coroutine.yield, 1))
print(pcall(function() coroutine.yield() end))

print("errors")
local function report(label, ...) print(label, ...) end
co = coroutine.create(function() error("plain") end)
report("message", coroutine.resume(co))
report("status", coroutine.status(co), coroutine.resume(co))
co = coroutine.create(function() error({ code = 5 }) end)
local ok, value = coroutine.resume(co)
report("table", ok, type(value), value.code)
co = coroutine.create(function() local t; return t.x end)
report("runtime", coroutine.resume(co))
co = coroutine.create(function() coroutine.yield(1); error("after yield", 0) end)
report("first", coroutine.resume(co))
report("second", coroutine.resume(co))
report("wrap", pcall(coroutine.wrap(function() error("in wrap") end)))
report("wrap", pcall(coroutine.wrap(function() error("no position", 0) end)))
report("wrap", select("#", pcall(coroutine.wrap(function() error({}) end))))
report("nil", coroutine.resume(coroutine.create(function() error() end)))
report("not a function", pcall(coroutine.create, 5))
report("not a coroutine", pcall(coroutine.resume, print))
report("built in", coroutine.resume(coroutine.create(string.rep), "ab", 3))
report("built in error", coroutine.resume(coroutine.create(string.rep)))
report("yield as body", coroutine.resume(coroutine.create(coroutine.yield), 1, 2))

co = coroutine.create(coroutine.yield)
print(coroutine.resume(co, 1, 2))
print(coroutine.resume(co, 3, 4))
print(coroutine.status(co))

print("many at once")
local all = {}
for i = 1, 100 do
  all[i] = coroutine.wrap(function()
    local n = i
    while true do
      coroutine.yield(n)
      n = n + i
    end
  end)
end
local sum = 0
for _ = 1, 3 do for i = 1, 100 do sum = sum + all[i]() end end
print(sum)

print("recursion and permutations")
local function permute(a, n)
  n = n or #a
  if n <= 1 then coroutine.yield(table.concat(a, "")) return end
  for i = 1, n do
    a[n], a[i] = a[i], a[n]
    permute(a, n - 1)
    a[n], a[i] = a[i], a[n]
  end
end
local out = {}
for p in coroutine.wrap(function() permute({ "a", "b", "c" }) end) do out[#out + 1] = p end
print(table.concat(out, " "))

print("chains of resumes")
local function chain(n)
  if n == 0 then return coroutine.yield("bottom") end
  local inner = coroutine.create(chain)
  local _, v = coroutine.resume(inner, n - 1)
  local back = coroutine.yield(v .. n)
  local _, last = coroutine.resume(inner, back)
  return last
end
co = coroutine.create(chain)
print(coroutine.resume(co, 9))
print(coroutine.resume(co, "sent down"))
local function nested(n) if n == 0 then return 0 end return 1 + coroutine.wrap(nested)(n - 1) end
print(nested(100))

print("varargs and many values")
co = coroutine.wrap(function(...)
  local args = { ... }
  while true do args = { coroutine.yield(table.unpack(args)) } end
end)
local hundred = {}
for i = 1, 100 do hundred[i] = i end
print(select("#", co(table.unpack(hundred))), select("#", co()), select("#", co(nil, nil)), (select(100, co(table.unpack(hundred)))))
print(coroutine.resume(coroutine.create(function(...) return select("#", ...), ... end), nil, 1, nil))

print("tail calls and yields")
local function loop(n) if n == 0 then return "looped" end coroutine.yield(n) return loop(n - 1) end
co = coroutine.wrap(loop)
io.write(co(3), " ", co(), " ", co(), " ", co(), "\n")
print(coroutine.wrap(function() return coroutine.yield(1) end)())
