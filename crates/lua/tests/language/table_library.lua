-- The table library.

local function show(t) return "{" .. table.concat(t, ",") .. "}" .. #t end
local function try(f, ...)
  local ok, message = pcall(f, ...)
  print(ok, message)
end

print("insert")
local t = {}
table.insert(t, "a")
table.insert(t, 1, "b")
table.insert(t, 2, "c")
table.insert(t, #t + 1, "d")
print(show(t), select("#", table.insert(t, "e")))
try(function() table.insert(t) end)
try(function() table.insert(t, 1, 2, 3) end)
try(function() table.insert(t, 0, "x") end)
try(function() table.insert(t, 8, "x") end)
try(function() table.insert(t, -1, "x") end)
try(function() table.insert(t, 1.5, "x") end)
try(function() table.insert(t, "x", "y") end)
try(function() table.insert(nil, 1) end)
try(function() table.insert(5, 1) end)
print(show(t))

print("remove")
t = { "a", "b", "c", "d", "e" }
print(table.remove(t), table.remove(t, 1), table.remove(t, 2), show(t))
print(table.remove(t, #t + 1), table.remove({}), table.remove({}, 0), select("#", table.remove({})), #t)
try(function() table.remove(t, 5) end)
try(function() table.remove(t, -1) end)
try(function() table.remove(t, "x") end)
try(function() table.remove({}, 2) end)
print(table.remove({ [0] = "zero" }, 0), table.remove({ 1, 2, 3 }, 3), table.remove(t), table.remove(t), table.remove(t))

print("concat")
print(table.concat({}), table.concat({ 1, 2, 3 }), table.concat({ 1, 2, 3 }, "-"), table.concat({ "a" }, "-"))
print(table.concat({ 1, 2, 3, 4 }, "+", 2), table.concat({ 1, 2, 3, 4 }, "+", 2, 3), table.concat({ 1, 2 }, "+", 3), table.concat({ 1, 2 }, "", 2, 2))
print(table.concat({ 1.5, 2.0, "x" }, " "), table.concat({ [5] = "five" }, ",", 5, 5), table.concat({}, "x", 1, 0))
try(function() table.concat({ 1, {}, 3 }) end)
try(function() table.concat({ 1, nil, 3 }, ",", 1, 3) end)
try(function() table.concat({ true }) end)
try(function() table.concat({ 1 }, {}) end)
try(function() table.concat({}, ",", 1, 1) end)
try(function() table.concat("x") end)

print("unpack and pack")
print(table.unpack({ 1, 2, 3 }))
print(table.unpack({ 1, 2, 3 }, 2))
print(table.unpack({ 1, 2, 3 }, 2, 3))
print(table.unpack({ 1, nil, 3 }, 1, 3))
print(table.unpack({}, 1, 2))
print(select("#", table.unpack({}, 1, 0)), select("#", table.unpack({})), select("#", table.unpack({}, 5, 1)))
print(table.unpack({ [-1] = "m", [0] = "z", "p" }, -1, 1))
local many = {}
for i = 1, 200 do many[i] = i end
print(select("#", table.unpack(many)), (select(200, table.unpack(many))))
local packed = table.pack(1, nil, 3, nil)
print(packed.n, packed[1], packed[2], packed[3], packed[4], table.pack().n, #table.pack())
try(function() return table.unpack({}, 1, 1e8) end)
try(function() return table.unpack({}, math.mininteger, math.maxinteger) end)
try(function() return table.unpack() end)

print("sort")
t = { 5, 2, 8, 1, 9, 3 }
table.sort(t)
print(show(t))
table.sort(t, function(a, b) return a > b end)
print(show(t), select("#", table.sort(t)))
t = { "banana", "apple", "Cherry", "10", "9", "" }
table.sort(t)
print(show(t))
t = { 3, 1.5, -2, 2 ^ 53, 0.0, -7.25, (1 << 53) + 1 }
table.sort(t)
print(show(t))
t = {}
table.sort(t)
t[1] = "only"
table.sort(t)
print(show(t))
try(function() table.sort({ 3, 2, 1 }, function(a, b) return a.x < b.x end) end)
try(function() table.sort({ 1, 2 }, "x") end)
try(function() table.sort() end)
try(function() table.sort({ {}, {} }) end)
try(function() table.sort({ 2, 1 }, function() error("compare failed", 0) end) end)
print(type(select(2, pcall(table.sort, { 2, 1 }, function() error({}) end))))

print("move")
print(show(table.move({ 1, 2, 3 }, 1, 3, 2)))
print(show(table.move({ 1, 2, 3, 4, 5 }, 2, 5, 1)))
print(show(table.move({ 1, 2, 3 }, 1, 3, 1, {})))
print(show(table.move({ 1, 2, 3 }, 2, 3, 1, { 9, 9, 9 })))
print(show(table.move({ 1, 2, 3 }, 1, 0, 5)), show(table.move({ 1, 2, 3 }, 1, 3, 3)))
local source, target = { "a", "b" }, {}
print(table.move(source, 1, 2, 1, target) == target, table.move(source, 1, 2, 1) == source)
try(function() table.move({}, 1, math.maxinteger, 2) end)
try(function() table.move({}, math.mininteger, 2, 1) end)
try(function() table.move({}, 1, 2) end)
try(function() table.move({}, 1, 2, 3, 4) end)

print("metamethods are used")
local log = {}
local store = { 1, 2, 3 }
local proxy = setmetatable({}, {
  __index = function(_, k) log[#log + 1] = "get" .. k; return store[k] end,
  __newindex = function(_, k, v) log[#log + 1] = "set" .. k; store[k] = v end,
  __len = function() return #store end,
})
table.insert(proxy, "x")
table.insert(proxy, 1, "y")
print(table.remove(proxy, 2), table.concat(proxy, "-"), table.unpack(proxy))
print(table.concat(log, " "))
table.move(proxy, 1, 2, 4, proxy)
print(table.concat(store, ","))
local sortable = setmetatable({}, { __index = store, __newindex = store, __len = function() return 3 end })
store[1], store[2], store[3] = 3, 1, 2
table.sort(sortable)
print(store[1], store[2], store[3])
try(function() return table.concat(setmetatable({}, { __len = function() return "x" end })) end)
try(function() return #setmetatable({}, { __len = function() return 2.5 end }) end)
