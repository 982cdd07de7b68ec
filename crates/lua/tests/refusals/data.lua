-- Tables, strings and the functions that build them. Defines work, which answers with a text, and consistent.

local ledger = { total = 0, entries = {} }

local function book(amount)
  -- Both or neither: what may fail comes first.
  local entry = { amount = amount, text = "entry " .. amount }
  local place = #ledger.entries + 1
  ledger.entries[place] = entry
  ledger.total = ledger.total + amount
end

function consistent()
  local sum = 0
  for index, entry in ipairs(ledger.entries) do
    assert(entry.text == "entry " .. entry.amount, "an entry has its text")
    sum = sum + entry.amount
  end
  assert(sum == ledger.total, "the total is the sum of the entries")
  ledger = { total = 0, entries = {} }
end

local function grow()
  local list, map = {}, {}
  for i = 1, 40 do
    list[i] = i * i
    map["key" .. i] = { i }
    map[i * 1.5] = tostring(i)
  end
  for i = 1, 40, 2 do map["key" .. i] = nil end
  for i = 1, 10 do table.insert(list, i, -i) end
  for i = 1, 5 do table.remove(list, 3) end
  local count = 0
  for _ in pairs(map) do count = count + 1 end
  return #list .. ":" .. count .. ":" .. list[3] .. ":" .. list[#list]
end

local function texts()
  local parts = {}
  for word, number in string.gmatch("alpha=1, beta=22, gamma=333, delta=4444", "(%a+)=(%d+)") do
    parts[#parts + 1] = string.format("%-8s|%05d|%q|%g", word, number, word:rep(3), number / 7)
  end
  local text = table.concat(parts, ";")
  local long = ("q"):rep(60)
  text = (long .. "1 " .. long .. "2"):gsub("%w+", function(word) return #word .. word:sub(-1) end) .. text
  text = text:gsub("%a+", function(word) return word:upper():reverse() .. #word end)
  text = text:gsub("%d+", { ["00001"] = "one" }):gsub("|(.)", "<%1>")
  text = text .. text:sub(5, 60) .. tostring(text:find("<", 1, true)) .. text:lower():byte(3)
  for i = 1, 6 do text = text .. i .. 0.5 * i end
  return text
end

local function sorted()
  local words = {}
  for i = 1, 30 do words[i] = { name = "w" .. (i * 7919 % 31), place = i } end
  table.sort(words, function(a, b)
    return a.name .. a.place < b.name .. b.place
  end)
  local names = {}
  for i, word in ipairs(words) do names[i] = word.name end
  return table.concat(names, ",", 1, 12) .. select("#", table.unpack(names)) .. table.pack(table.unpack(names)).n
end

local function constructors(...)
  local rows = { ... }
  for i = 1, 4 do rows[#rows + 1] = { i, i + 1, { "deep", i }, name = "row" .. i, [i * 2] = true, ... } end
  local mapped = setmetatable({}, {
    __index = function(t, key) local value = { key }; rawset(t, key, value); return value end,
    __concat = function(a, b) return (type(a) == "table" and "T" or a) .. (type(b) == "table" and "T" or b) end,
    __len = function() return #("length" .. #rows) end,
    __call = function(self, ...) return { ... }, self end,
  })
  local called = mapped(1, 2, 3, "x" .. #rows)
  return "<" .. mapped .. mapped .. #mapped .. #mapped.one .. mapped.two[1] .. #called .. #rows[5] .. ">"
end

function work()
  for amount = 1, 6 do book(amount * 11) end
  return table.concat({ grow(), texts(), sorted(), constructors("a", {}, "b" .. 1), ledger.total }, "\n")
end
