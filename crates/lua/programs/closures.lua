-- Closures: shared upvalues, fresh locals per iteration, counters, memoisers.
--
-- Heap stress: captured variables.  They must be shared while their scope is
-- open, survive it after it closes, and be freed with the last closure.
--
-- Arguments: [ROUNDS]
--   ROUNDS  how many closures the bulk parts make, 20000 by default

local rounds = tonumber((...)) or 20000

-- Two closures over one variable, and two instances of the pair.
local function account(balance)
  local function deposit(n) balance = balance + n; return balance end
  local function withdraw(n) balance = balance - n; return balance end
  return deposit, withdraw, function() return balance end
end
local deposit, withdraw, balance = account(100)
local other_deposit, _, other_balance = account(1)
print(deposit(50), withdraw(30), balance(), other_deposit(9), other_balance(), balance())

-- Every iteration has its own variable, in every kind of loop.
local function calls(list)
  local out = {}
  for i, f in ipairs(list) do out[i] = tostring(f()) end
  return table.concat(out, " ")
end
local made = {}
for i = 1, 5 do made[i] = function() i = i + 10; return i end end
print("for", calls(made), calls(made))
made = {}
for i, word in ipairs({ "a", "b", "c" }) do made[i] = function() word = word .. i; return word end end
print("in", calls(made), calls(made))
made = {}
local n = 0
while n < 4 do
  n = n + 1
  local mine = n * n
  made[n] = function() mine = mine + n; return mine end
end
print("while", calls(made), calls(made))
made, n = {}, 0
repeat
  local mine = n
  n = n + 1
  made[n] = function() mine = mine + 1; return mine end
until mine >= 3
print("repeat", calls(made), calls(made))
made = {}
do
  local i = 1
  ::again::
  local mine = i * 100
  made[i] = function() mine = mine + 1; return mine end
  i = i + 1
  if i <= 3 then goto again end
end
print("goto", calls(made), calls(made))

-- A variable that is written through a closure while its scope is still open.
local log = {}
do
  local x = 1
  local function bump() x = x * 2 end
  bump()
  log[#log + 1] = x
  x = x + 1
  bump()
  log[#log + 1] = x
  local function outer()
    local function inner() x = x + 100 end
    inner()
    return function() return x end
  end
  local read = outer()
  x = x + 1000
  log[#log + 1] = read()
end
print("open", table.concat(log, " "))

-- Parameters, varargs and results can be captured too.
local function capture(a, b, ...)
  local rest = { ... }
  return function(...)
    a = a + (select("#", ...))
    return a, b, #rest, ...
  end
end
local captured = capture(1, "two", 3, 4, 5)
print(captured())
print(captured(nil, nil))

-- Recursion through a local function and through a table.
local function fib(k) return k < 2 and k or fib(k - 1) + fib(k - 2) end
local even, odd
function even(k) if k == 0 then return true end return odd(k - 1) end
function odd(k) if k == 0 then return false end return even(k - 1) end
print("recursion", fib(18), even(10000), odd(7))
local Y = function(f)
  return (function(x) return x(x) end)(function(x) return f(function(...) return x(x)(...) end) end)
end
print("combinator", Y(function(self) return function(k) return k == 0 and 1 or k * self(k - 1) end end)(15))

-- Memoisers: the second call must not compute.
local function memoise(f)
  local known, computed = {}, 0
  return function(k)
    local value = known[k]
    if value == nil then
      computed = computed + 1
      value = f(k)
      known[k] = value
    end
    return value
  end, function() return computed end
end
local slow_fib, computed
slow_fib, computed = memoise(function(k) return k < 2 and k or slow_fib(k - 1) + slow_fib(k - 2) end)
print("memoised", slow_fib(80), computed(), slow_fib(79), computed())

-- Composition and partial application.
local function compose(...)
  local list = { ... }
  return function(value)
    for i = #list, 1, -1 do value = list[i](value) end
    return value
  end
end
local function add(k) return function(value) return value + k end end
local function times(k) return function(value) return value * k end end
print("composed", compose(add(1), times(2), add(3))(10), compose()(5))
local increment = function(value) return value end
for _ = 1, 100 do
  local previous = increment
  increment = function(value) return previous(value) + 1 end
end
print("chain", increment(0))

-- Lists made of nothing but closures.
local function cons(head, tail) return function(want_head) if want_head then return head end return tail end end
local list = nil
for i = 1, rounds do list = cons(i, list) end
local sum, length = 0, 0
while list do
  sum, length = sum + list(true), length + 1
  list = list(false)
end
print("closure list", length, sum)

-- Many closures over a few variables, and many variables under few closures.
local shared, bumpers = 0, {}
for i = 1, rounds // 10 do
  local own = i
  bumpers[i] = function() shared = shared + 1; own = own + 1; return own end
end
local owns = 0
for _ = 1, 3 do
  for _, bump in ipairs(bumpers) do owns = owns + bump() end
end
print("shared", shared, owns)

local function wide()
  local a, b, c, d, e, f, g, h = 1, 2, 3, 4, 5, 6, 7, 8
  return function()
    a, b, c, d, e, f, g, h = b, c, d, e, f, g, h, a + h
    return a
  end
end
local last = 0
for i = 1, rounds // 20 do
  local next_value = wide()
  for _ = 1, i % 20 do last = last + next_value() end
end
print("wide", last)

-- Upvalues of a function that ended in an error keep their last value.
local reached
local ok, message = pcall(function()
  local step = 0
  reached = function() return step end
  for i = 1, 5 do
    step = i
    if i == 3 then error("stopped", 0) end
  end
end)
print("after error", ok, message, reached())

-- A closure over a variable of a coroutine that is suspended, then finished.
local peek
local worker = coroutine.wrap(function()
  local state = "started"
  peek = function() return state end
  coroutine.yield()
  state = "resumed"
  coroutine.yield()
  state = "finished"
end)
worker()
io.write("coroutine ", peek())
worker()
io.write(" ", peek())
worker()
print(" " .. peek())

-- A closure that outlives its variable's coroutine, which is closed unfinished.
local task = coroutine.create(function()
  local state = 1
  peek = function() state = state + 1; return state end
  coroutine.yield()
end)
coroutine.resume(task)
peek()
coroutine.close(task)
task = nil
collectgarbage()
print("closed", peek(), peek())
