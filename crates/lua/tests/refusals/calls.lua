-- Closures, coroutines, extra arguments, protected calls, variables to be closed. Defines work and consistent.

local open, closed = 0, 0

local function resource(name)
  local handle = setmetatable({ name = name }, {
    __close = function(self, problem)
      closed = closed + 1
      self.name = self.name .. " closed"
    end,
  })
  return handle
end

function consistent()
  assert(closed <= open, "nothing is closed that was not open")
  open, closed = 0, 0
end

local function counters()
  local made = {}
  for i = 1, 8 do
    local a, b, c = i, i * 2, "n" .. i
    made[i] = {
      function(by) a = a + by; return a + b end,
      function() b = b + 1; return c .. a .. b end,
    }
  end
  local text = ""
  for i, pair in ipairs(made) do text = text .. pair[1](i) .. pair[2]() .. "," end
  return text
end

local function deep(n, ...)
  if n == 0 then return select("#", ...), ... end
  local kept = { n }
  local count, first = deep(n - 1, n, ...)
  return count + #kept, first
end

local function produce(...)
  local given = { ... }
  for i = 1, 5 do
    local more = { coroutine.yield(i, "item " .. i, table.unpack(given)) }
    given[#given + 1] = more[1] or "none"
  end
  return "end", #given
end

local function pipelines()
  local parts = {}
  local co = coroutine.create(produce)
  local arguments = { "x", "y" }
  repeat
    local results = table.pack(coroutine.resume(co, table.unpack(arguments)))
    if not results[1] then error(results[2], 0) end
    parts[#parts + 1] = results.n .. tostring(results[2])
    arguments = { "again" .. #parts }
  until coroutine.status(co) == "dead"
  local sum = 0
  for value in coroutine.wrap(function() for i = 1, 6 do coroutine.yield(i * #("v" .. i)) end end) do sum = sum + value end
  -- A stack that grows, and frames, in a coroutine; many values from one to the other.
  local many = coroutine.wrap(function(n, ...)
    local count = deep(n, ...)
    coroutine.yield(table.unpack({ ... }, 1, 60))
    return count
  end)
  local all = {}
  for i = 1, 60 do all[i] = i end
  parts[#parts + 1] = select("#", many(40, table.unpack(all)))
  parts[#parts + 1] = many()
  -- So many that the stack of a coroutine grows for them, and again for the function that has not started.
  local count = coroutine.wrap(function(...) return select("#", ...) end)
  parts[#parts + 1] = count(("x"):rep(253):byte(1, 253))
  return table.concat(parts, " ") .. " " .. sum
end

local function again(n, text, ...)
  if n == 0 then return text, select("#", ...) end
  return again(n - 1, text .. n, n, ...)
end

local callable = setmetatable({}, { __call = function(self, a, b, c) return (a or "-") .. (b or "-") .. (c or "-") end })

local function closing()
  local text = ""
  for i = 1, 3 do
    local first <close> = resource("first" .. i)
    open = open + 1
    local second <close> = resource("second" .. i)
    open = open + 1
    text = text .. first.name .. second.name
  end
  local ok, problem = pcall(function()
    local third <close> = resource("third")
    open = open + 1
    error({ "problem" })
  end)
  return text .. tostring(ok) .. tostring(type(problem) == "table" and problem[1] or problem)
end

local function protected()
  local ok, message = xpcall(function() local t = nil; return t.field end, function(m) return "handled: " .. m end)
  local ok2, message2 = pcall(error, "plain " .. tostring(ok), 0)
  local co = coroutine.create(function() local x <close> = resource("co"); open = open + 1; coroutine.yield(1) error("in co", 0) end)
  local started, problem = coroutine.resume(co)
  if not started then error(problem, 0) end
  local _, third = coroutine.resume(co)
  coroutine.close(co)
  local dropped = coroutine.wrap(function() local x <close> = resource("drop"); open = open + 1; coroutine.yield({}) end)
  dropped()
  return tostring(ok2) .. message:sub(-20) .. message2 .. third
end

function work()
  return table.concat({
    counters(), pipelines(), closing(), protected(), select(2, deep(30)), again(12, "t"), callable("p", 1) .. callable(), "end",
  }, "\n")
end
