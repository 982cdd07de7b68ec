-- Reading a file, counting its words, programs that are made while one runs. Defines work and consistent; the file is PATH.

local seen = 0

local function must(value, problem)
  if not value then error(problem, 0) end
  return value
end

function consistent()
  assert(seen <= 40, "no line is seen twice")
  seen = 0
end

local function lines()
  local counts, words = {}, {}
  for line in io.lines(PATH) do
    seen = seen + 1
    for word in line:gmatch("%w+") do
      word = word:lower()
      if not counts[word] then words[#words + 1] = word end
      counts[word] = (counts[word] or 0) + 1
    end
  end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  local out = {}
  for i = 1, math.min(12, #words) do out[i] = string.format("%s %d", words[i], counts[words[i]]) end
  return table.concat(out, ",")
end

local function pieces()
  local file <close> = must(io.open(PATH))
  local first, number, rest = file:read("l", "n", 5)
  local place = file:seek("cur")
  local long = file:read("a")
  return first .. tostring(number) .. tostring(rest) .. place .. #long
end

local function default()
  io.input(PATH)
  local text, line = "", io.read("L")
  while line do
    text = text .. #line .. " "
    line = io.read("L")
  end
  io.close(io.input())
  io.input(io.stdin)
  return text
end

local function programs()
  local text = "local a, b = ... local t = {a, b, x = 'made'} return function(...) return t.x .. #t .. select('#', ...) end"
  local made = must(load(text, "=made"))
  local parts = { "return", " {", "1, 2, ", "'three'", "}", nil }
  local at = 0
  local loaded = must(load(function() at = at + 1; return parts[at] end))
  local refused, message = load("x = = 1", "=bad")
  return made(1, 2)(3, 4) .. loaded()[3] .. tostring(refused) .. message
end

function work()
  return table.concat({ lines(), pieces(), default(), programs(), os.date("!%Y", 0) }, "\n")
end
