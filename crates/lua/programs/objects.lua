-- An object-oriented simulation: a small harbour of ships, cargo and cranes.
--
-- Classes are tables, inheritance runs over three levels of __index, and the
-- value types use every operator metamethod that fits them.
--
-- Heap stress: many objects of a few shapes, each with a metatable, temporary
-- vectors made by arithmetic, and proxies that answer through functions.
--
-- Arguments: [TICKS]
--   TICKS  how many steps the simulation runs, 200 by default

local ticks = tonumber((...)) or 200

-- Classes ---------------------------------------------------------------------

local Object = { class_name = "Object" }
Object.__index = Object

function Object.extend(base, name)
  local class = { class_name = name, super = base }
  -- Metamethods are looked up without inheritance, so copy them down.
  for key, value in pairs(base) do
    if type(key) == "string" and key:sub(1, 2) == "__" then
      class[key] = value
    end
  end
  class.__index = class
  return setmetatable(class, { __index = base, __call = function(self, ...)
    local object = setmetatable({}, self)
    object:init(...)
    return object
  end })
end

function Object:init() end

function Object:is_a(class)
  local at = getmetatable(self)
  while at do
    if at == class then return true end
    at = rawget(at, "super")
  end
  return false
end

function Object:__tostring()
  return "<" .. self.class_name .. ">"
end

-- A value type with operators ---------------------------------------------------

local Vector = {}
Vector.__index = Vector
local function vector(x, y) return setmetatable({ x = x, y = y }, Vector) end
function Vector.__add(a, b) return vector(a.x + b.x, a.y + b.y) end
function Vector.__sub(a, b) return vector(a.x - b.x, a.y - b.y) end
function Vector.__mul(a, b)
  if type(a) == "number" then return vector(a * b.x, a * b.y) end
  if type(b) == "number" then return vector(a.x * b, a.y * b) end
  return a.x * b.x + a.y * b.y
end
function Vector.__div(a, b) return vector(a.x / b, a.y / b) end
function Vector.__idiv(a, b) return vector(a.x // b, a.y // b) end
function Vector.__mod(a, b) return vector(a.x % b, a.y % b) end
function Vector.__pow(a, b) return vector(a.x ^ b, a.y ^ b) end
function Vector.__unm(a) return vector(-a.x, -a.y) end
function Vector.__eq(a, b) return a.x == b.x and a.y == b.y end
function Vector.__lt(a, b) return a.x < b.x or a.x == b.x and a.y < b.y end
function Vector.__le(a, b) return not (b < a) end
function Vector.__len(a) return a.x < 0 and -a.x or a.x end
function Vector.__tostring(a) return "(" .. a.x .. ", " .. a.y .. ")" end
function Vector.__concat(a, b) return tostring(a) .. tostring(b) end
function Vector.__call(a, key) return a[key] end

local a, b = vector(3, 4), vector(1, -2)
print(tostring(a), tostring(b))
print(tostring(a + b), tostring(a - b), a * b, tostring(2 * a), tostring(a * 2))
print(tostring(a / 2), tostring(a // 2), tostring(a % 2), tostring(a ^ 2), tostring(-a))
print(a == b, a == vector(3, 4), rawequal(a, vector(3, 4)), a ~= b)
print(a < b, a <= b, a > b, a >= b, a <= vector(3, 4))
print(#b, #-b, a .. b, "at " .. a, a .. "!", a .. 1, a("x") + a("y"))

-- Inheritance -------------------------------------------------------------------

local Thing = Object:extend("Thing")
local things_made = 0
function Thing:init(position)
  things_made = things_made + 1
  self.id = things_made
  self.position = position
end
function Thing:describe() return self.class_name .. " #" .. self.id .. " at " .. tostring(self.position) end
function Thing:weight() return 1 end
Thing.__tostring = Thing.describe
Thing.__lt = function(x, y) return x.id < y.id end

local Ship = Thing:extend("Ship")
function Ship:init(position, speed, capacity)
  Ship.super.init(self, position)
  self.speed, self.capacity, self.cargo = speed, capacity, {}
end
function Ship:move() self.position = (self.position + self.speed) % 100 end
function Ship:load(crate)
  if #self.cargo >= self.capacity then
    return false
  end
  self.cargo[#self.cargo + 1] = crate
  return true
end
function Ship:weight()
  local sum = Ship.super.weight(self)
  for _, crate in ipairs(self.cargo) do sum = sum + crate:weight() end
  return sum
end
Ship.__len = function(ship) return #ship.cargo end

local Ferry = Ship:extend("Ferry")
function Ferry:init(position, speed)
  Ferry.super.init(self, position, speed, 4)
  self.passengers = 0
end
function Ferry:move()
  Ferry.super.move(self)
  self.passengers = (self.passengers + 3) % 11
end
function Ferry:weight() return Ferry.super.weight(self) + self.passengers end
function Ferry:describe() return Ferry.super.describe(self) .. " with " .. self.passengers .. " aboard" end
Ferry.__tostring = function(ferry) return ferry:describe() end

local Crate = Thing:extend("Crate")
function Crate:init(mass)
  Crate.super.init(self, vector(0, 0))
  self.mass = mass
end
function Crate:weight() return self.mass end

local seed = 99
local function random(limit)
  seed = seed * 48271 % 2147483647
  return seed % limit + 1
end

local ships = {}
for i = 1, 12 do
  local at, speed = vector(random(100) - 1, random(100) - 1), vector(random(7), random(5))
  ships[i] = i % 3 == 0 and Ferry(at, speed) or Ship(at, speed, 5 + i)
end

local shipped, delivered, refused = 0, 0, 0
for tick = 1, ticks do
  for _, ship in ipairs(ships) do
    ship:move()
    if ship.position.x < 20 then
      shipped = shipped + 1
      if not ship:load(Crate(random(50))) then
        refused = refused + 1
      end
    elseif ship.position.x > 80 then
      for i = #ship.cargo, 1, -1 do
        delivered = delivered + ship.cargo[i]:weight()
        ship.cargo[i] = nil
      end
    end
  end
end
print("shipped", shipped, "refused", refused, "delivered", delivered)
local weights = 0
for _, ship in ipairs(ships) do
  weights = weights + ship:weight()
end
print("things", things_made, "weight", weights)
print(tostring(ships[1]), #ships[1])
print(tostring(ships[3]), #ships[3])
print(ships[1] < ships[2], ships[2] < ships[1])
print(ships[3]:is_a(Ferry), ships[3]:is_a(Ship), ships[3]:is_a(Thing), ships[3]:is_a(Crate), ships[1]:is_a(Ferry))
print(tostring(Object.extend(Object, "Plain")()))

-- Access through functions --------------------------------------------------------

local function logged(target)
  local log = {}
  local proxy = setmetatable({}, {
    __index = function(_, key)
      log[#log + 1] = "read " .. tostring(key)
      return target[key]
    end,
    __newindex = function(_, key, value)
      log[#log + 1] = "write " .. tostring(key) .. "=" .. tostring(value)
      target[key] = value
    end,
    __len = function() return #target end,
    __pairs = function() return next, target, nil end,
  })
  return proxy, log
end
local proxy, log = logged({ 10, 20, 30 })
proxy[4] = 40
proxy.name = "list"
local sum = 0
for i = 1, #proxy do sum = sum + proxy[i] end
print("sum", sum, proxy.name, proxy.missing, rawget(proxy, 1))
local found = 0
for _ in pairs(proxy) do found = found + 1 end
print("found", found, #log)
print(table.concat(log, "; "))

-- A memory of computed fields, filled in by __index.
local squares = setmetatable({}, { __index = function(self, n)
  local value = n * n
  rawset(self, n, value)
  return value
end })
local computed = 0
for round = 1, 3 do
  for n = 1, 100 do computed = computed + squares[n] end
end
print("squares", computed, rawget(squares, 50), rawget(squares, 101))

-- A table that cannot be changed.
local fixed = setmetatable({}, {
  __index = { red = 1, green = 2 },
  __newindex = function(_, key) error("cannot set '" .. key .. "'", 2) end,
  __metatable = "locked",
})
print(fixed.red, pcall(function() fixed.blue = 3 end))
print(getmetatable(fixed), pcall(setmetatable, fixed, nil))

-- Fields that every object has until it sets its own.
local defaults = setmetatable({}, { __index = { colour = "grey" } })
defaults.size = 3
local before = defaults.colour
defaults.colour = "red"
local during = defaults.colour
defaults.colour = nil
print(before, during, defaults.colour, defaults.size)

-- Scoped resources ------------------------------------------------------------------

local order = {}
local Resource = {}
Resource.__index = Resource
Resource.__close = function(resource, err)
  order[#order + 1] = resource.name .. (err and "!" or "")
end
local function open(name) return setmetatable({ name = name }, Resource) end

do
  local first <close> = open("first")
  local second <close> = open("second")
  order[#order + 1] = "body"
end
local function early(n)
  for i = 1, 10 do
    local each <close> = open("each" .. i)
    if i == n then return "left at " .. i end
  end
end
order[#order + 1] = early(2)
local ok, message = pcall(function()
  local broken <close> = open("broken")
  error("trouble", 0)
end)
print(ok, message)
print(table.concat(order, " "))

local opened = 0
Resource.__close = function() opened = opened - 1 end
for i = 1, ticks * 5 do
  local one <close> = open("one")
  local two <close> = open("two")
  opened = opened + 2
  if i % 3 == 0 then goto continue end
  if i % 7 == 0 then opened = opened + 0 end
  ::continue::
end
print("still open", opened)
