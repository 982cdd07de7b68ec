-- Closures and upvalues.

local function counter()
  local n = 0
  return function() n = n + 1; return n end, function() return n end, function(v) n = v end
end
local inc, get, set = counter()
local inc2, get2 = counter()
print(inc(), inc(), get(), inc2(), get2(), get())
set(10)
print(inc(), get(), get2())

-- Every turn of a loop makes new variables.
local fs = {}
for i = 1, 3 do fs[i] = { function() i = i + 1; return i end, function() return i end } end
print(fs[1][1](), fs[1][2](), fs[2][2](), fs[3][1](), fs[3][2]())
fs = {}
local j = 0
while j < 3 do
  j = j + 1
  local k = j
  fs[j] = function() k = k * 2; return k + j end
end
print(fs[1](), fs[2](), fs[3](), fs[1]())
fs = {}
local x = 0
repeat
  local y = x
  x = x + 1
  fs[x] = function() y = y + 1; return y end
until y == 2
print(fs[1](), fs[1](), fs[2](), fs[3]())

-- Levels of functions
local function outer(a)
  return function(b)
    return function(c)
      a = a + 1
      return function() b = b + a; return a, b, c end
    end
  end
end
local level3 = outer(1)(10)
print(level3(100)())
print(level3(200)())
local f = level3(300)
print(f())
print(f())

-- Written while open
local log = {}
do
  local v = "first"
  local function read() return v end
  local function write(n) v = n end
  log[1] = read()
  v = "second"
  log[2] = read()
  write("third")
  log[3] = v
end
print(table.concat(log, " "))

-- Two closures made in different calls share a variable of the enclosing function.
local shared = {}
do
  local count = 0
  local function make() return function() count = count + 1; return count end end
  shared[1], shared[2] = make(), make()
end
print(shared[1](), shared[2](), shared[1](), shared[2]())

-- Parameters as upvalues, recursion, local function against local = function
local function keep(p) return function(n) if n then p = n end return p end end
local k1, k2 = keep("one"), keep("two")
k1("changed")
print(k1(), k2())
local function factorial(n) if n <= 1 then return 1 end return n * factorial(n - 1) end
print(factorial(10))
local missing = function(n) return n and missing end
print(missing(true))
local recursive
recursive = function(n) return n == 0 and "bottom" or recursive(n - 1) end
print(recursive(50))

-- Identity
local function make() return function() end end
print(make() == make(), make == make, (function() return make end)() == make)

-- Shadowing
local s = 1
local function read_s() return s end
local s = 2
print(s, read_s())
do local s = 3; print(s, read_s()) end
local function shadow(s) local s = s or "default"; return s end
print(shadow(), shadow(5))

-- Globals through functions
function made_global() return "global" end
local holder = { inner = {} }
function holder.plain(a) return a end
function holder:method(a) return self == holder, a end
function holder.inner.deep(...) return select("#", ...) end
function holder.inner:deeper() return self == holder.inner end
print(made_global(), holder.plain(1), holder:method(2))
print(holder.inner.deep(1, 2, 3), holder.inner:deeper(), _G.made_global == made_global)
made_global = nil
print(made_global, _G.made_global)

-- Many upvalues in one function
local a, b, c, d, e, g, h, i, l, m = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local function all() a, m = m, a; return a + b + c + d + e + g + h + i + l + m, a, m end
print(all())
print(all())

-- An upvalue in a function that is still running, seen after an error
local probe
pcall(function()
  local inside = 1
  probe = function() inside = inside + 1; return inside end
  inside = 10
  error("leave")
end)
print(probe(), probe())

-- break and goto close the variables of a block.
local broken = {}
for n = 1, 3 do
  local v = n
  broken[n] = function() v = v + 10; return v end
  if n == 2 then break end
end
print(broken[1](), broken[2](), broken[1](), broken[3])
local jumped = {}
do
  local n = 0
  ::top::
  local v = n
  jumped[#jumped + 1] = function() v = v + 1; return v end
  n = n + 5
  if n < 15 then goto top end
end
print(jumped[1](), jumped[2](), jumped[3](), jumped[1]())

-- Tail calls do not grow the stack.
local function loop(n) if n == 0 then return "done" end return loop(n - 1) end
print(loop(100000))
local function even(n) if n == 0 then return true end return (select(1, n)) > 0 and loop(1) and even(n - 1) end
print(even(100))
