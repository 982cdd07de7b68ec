-- Lines in run-time error messages, over calls and expressions of many lines.

local function try(f, ...)
  local ok, message = pcall(f, ...)
  print(ok, message)
end

try(function()
  local t = nil
  return t.x
end)
try(function()
  local a = 1
  local b = a +
    nil
  return b
end)
try(function()
  local t = {}
  return t
    .x
    .y
end)
try(function()
  undefined(
    1,
    2
  )
end)
try(function()
  print(
    undefined()
  )
end)
try(function()
  local s = "a" ..
    "b" ..
    {} ..
    "c"
  return s
end)
try(function()
  return {
    1,
    nil + 1,
    3,
  }
end)
try(function()
  if 1 <
    {} then
    return 1
  end
end)
try(function()
  local x = 5

  -- a comment in between

  x = x.y.z
end)
try(function()
  for i = 1, 10 do
    if i == 3 then
      error("in loop " .. i)
    end
  end
end)
try(function()
  local function inner()
    error("in inner")
  end
  inner()
end)
try(function()
  local function inner()
    error("level two", 2)
  end
  inner()
end)
try(function()
  local function inner()
    error("in tail call")
  end
  return inner()
end)
try(function() error("same line") end) try(function() error("same line again") end)
try(function()
  local t = setmetatable({}, {
    __index = function(_, k)
      error("in __index of " .. k)
    end,
  })
  return t.field
end)
try(function()
  local t = setmetatable({}, {
    __add = function(a, b)
      return a.x.y
    end,
  })
  return t +
    1
end)
try(function()
  string.rep(
    nil
  )
end)
try(function()
  ("x"):rep({})
end)
try(function()
  local s = [[
a long
string]]
  error(s .. " here")
end)
try(function()
  return -
    {}
end)
try(function()
  return #
    nil
end)
try(function()
  local a, b, c =
    1,
    2,
    {} + 1
end)
try(function()
  while nil + 1 do
    break
  end
end)
try(function()
  repeat
    local x = {}
  until x < 1
end)
try(function()
  for i = 1,
    "x" do
  end
end)
try(function()
  for k in
    5 do
  end
end)
try(function()
  goto skip
  ::back::
  error("jumped back")
  ::skip::
  goto back
end)
try(load("error('in chunk')"))
try(load("\n\nerror('line three')"))
try(load("local x\n= nil\nx()", "=name"))
try(load("local function f()\n  error('deep')\nend\nf()", "@file.lua"))
try(load("return 1 + nil", "return 1 + nil"))
try(load("error('long')", ("x"):rep(100)))
try(load("error('lines')", "first line\nsecond line"))
try(load("error('level', 2)", "=chunk"))
try(coroutine.wrap(function()
  error("in coroutine")
end))
local co = coroutine.create(function()
  local x
  x()
end)
print(coroutine.resume(co))
