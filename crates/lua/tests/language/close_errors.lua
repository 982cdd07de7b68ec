-- Errors while to-be-closed variables are closed.

local log = {}
local function guard(name, failure)
  return setmetatable({}, { __close = function(_, err)
    log[#log + 1] = name .. "(" .. tostring(err) .. ")"
    if failure then error(failure, 0) end
  end })
end
local function report(...)
  print(...)
  print("  " .. table.concat(log, " "))
  log = {}
end

report(pcall(function()
  local a <close> = guard("a")
  error("body", 0)
end))
report(pcall(function()
  local a <close> = guard("a", "from a")
end))
report(pcall(function()
  local a <close> = guard("a", "from a")
  error("body", 0)
end))
report(pcall(function()
  local a <close> = guard("a")
  local b <close> = guard("b", "from b")
  local c <close> = guard("c", "from c")
  error("body", 0)
end))
report(pcall(function()
  local a <close> = guard("a")
  local b <close> = guard("b", "from b")
  return "value"
end))
report(pcall(function()
  local a <close> = guard("a")
  do
    local b <close> = guard("b", "from b")
  end
  log[#log + 1] = "never"
end))
report(pcall(function()
  for i = 1, 3 do
    local a <close> = guard("loop" .. i, i == 2 and "from two")
  end
end))
report(pcall(function()
  local a <close> = guard("a", "from a")
  local ok, message = pcall(function()
    local b <close> = guard("b", "from b")
    error("inner", 0)
  end)
  log[#log + 1] = "caught:" .. message
  error("outer", 0)
end))
report(pcall(function()
  for _ in next, { 1 }, nil, guard("loop", "from loop") do error("in loop", 0) end
end))

-- Error values of any type travel through.
local value = { code = 1 }
local ok, err = pcall(function()
  local a <close> = setmetatable({}, { __close = function(_, e) e.seen = true end })
  error(value)
end)
print(ok, err == value, err.seen)
ok, err = pcall(function()
  local a <close> = setmetatable({}, { __close = function() error(nil) end })
  error("replaced", 0)
end)
print(ok, err)

-- Position of an error raised in __close
print(pcall(function()
  local a <close> = setmetatable({}, { __close = function() error("with position") end })
end))
print(pcall(function()
  local a <close> = setmetatable({}, { __close = function() local t; return t.x end })
end))

-- A message handler sees the error of the body and then that of __close.
print(xpcall(function()
  local a <close> = guard("a", "second")
  error("first", 0)
end, function(m)
  log[#log + 1] = "handler(" .. tostring(m) .. ")"
  return "handled " .. tostring(m)
end))
print("  " .. table.concat(log, " "))
log = {}

-- Closing in a coroutine that ends in an error, and one that is closed.
local task = coroutine.create(function()
  local a <close> = guard("a", "from a")
  local b <close> = guard("b")
  coroutine.yield(1)
  error("body", 0)
end)
report(coroutine.resume(task))
report(coroutine.resume(task))
report(coroutine.status(task), coroutine.close(task))
task = coroutine.create(function()
  local a <close> = guard("a", "from a")
  local b <close> = guard("b", "from b")
  coroutine.yield(1)
end)
coroutine.resume(task)
report(coroutine.close(task))
report(coroutine.status(task), coroutine.close(task))

-- Many variables, each replacing the error of the one before.
local function nested(n)
  local each <close> = guard("n" .. n, n % 2 == 0 and "e" .. n or nil)
  if n > 0 then nested(n - 1) else error("bottom", 0) end
end
report(pcall(nested, 6))
