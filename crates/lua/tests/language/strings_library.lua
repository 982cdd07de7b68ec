-- The string library without patterns and without format.

print("sub")
local s = "hello"
for _, r in ipairs({ { 1 }, { 2 }, { -1 }, { -3 }, { 1, 3 }, { 2, -2 }, { -3, -2 }, { 0 }, { 0, 0 }, { 1, 0 }, { 3, 2 },
  { 6 }, { 5, 99 }, { -99, 2 }, { -99, 99 }, { 10, 20 }, { math.mininteger, math.maxinteger }, { math.maxinteger } }) do
  print(r[1], r[2], "[" .. s:sub(r[1], r[2] or -1) .. "]")
end
print(("x"):sub(1.0), pcall(function() return ("x"):sub(1.5) end))

print("byte and char")
print(s:byte(), s:byte(2), s:byte(-1), s:byte(10), s:byte(0))
print(s:byte(1, -1))
print(s:byte(-3, 99))
print(select("#", s:byte(3, 2)), select("#", (""):byte()), select("#", s:byte(1, 5)))
print(string.char(), string.char(72, 105), #string.char(0, 255, 0))
print(pcall(function() string.char(256) end))
print(pcall(function() string.char(-1) end))
print(pcall(function() string.char(65, "x") end))

print("rep, reverse, case, len")
print(("ab"):rep(3), ("ab"):rep(0), ("ab"):rep(-1), ("ab"):rep(3, "-"), ("ab"):rep(1, "-"), ("ab"):rep(0, "-"))
print((""):rep(100), #("x"):rep(1000), (""):rep(3, ","), ("a"):rep(2.0))
print(("abc"):reverse(), (""):reverse(), ("a\0b"):reverse() == "b\0a")
print(("MiXed 123 é"):lower(), ("MiXed 123 é"):upper(), (""):upper())
print(("abc"):len(), (""):len(), ("a\0b"):len(), string.len(12345))
print(pcall(function() return ("x"):rep(math.maxinteger, "yyyyyyyy") end))
print(pcall(function() return ("xy"):rep(1 << 62) end))

print("methods and indexing")
print(type(("x").len), ("abc").foo, ("%d"):format(7), #"abc", ("abc").len == string.len)
print(pcall(function() return ("abc").x.y end))
print(pcall(function() return ("abc"):nope() end))
print(pcall(function() local t = "abc"; t.x = 1 end))
local mt = getmetatable("")
print(type(mt), mt.__index == string, getmetatable("a") == mt, mt.__name)
string.twice = function(text) return text .. text end
print(("ab"):twice(), ("ab"):twice():twice())
string.twice = nil

print("numbers as strings")
print(string.rep(12, 2), string.len(1.5), string.upper(0x10), string.sub(12345, 2, 3), string.reverse(120))
print(("10" + 5), ("3" * "4"), (10 .. 20), -"2", "0x10" + 0, "1e1" * 1, " 5 " + 1)

print("find without patterns")
print(s:find("l"), s:find("l", 1, true), s:find("lo"), s:find("xyz"), s:find(""), s:find("", 10), s:find("", 6))
print(s:find("l", 4), s:find("l", 5), s:find("l", -2), s:find("h", -99), s:find("o", 5), s:find("o", 6))
print(("a.b"):find(".", 1, true), ("a.b"):find("%.", 1, true), ("a+b"):find("+", 1, true), ("a+b"):find("+b", 1, true))
print(("x\0y\0z"):find("\0", 3, true), ("aab"):find("ab", 1, true), ("aaab"):find("aab"))

print("comparison of order")
local list = { "b", "a", "B", "A", "", "aa", "ab", "0", "10", "9", " ", "~", "a b", "a-b" }
table.sort(list)
for i, v in ipairs(list) do list[i] = "'" .. v .. "'" end
print(table.concat(list, " "))

print("concatenation")
local t = {}
for i = 1, 300 do t[i] = "s" .. i end
local joined = ""
for i = 1, 300 do joined = joined .. t[i] end
print(#joined, joined == table.concat(t), joined:sub(1, 12), joined:sub(-8))
print("a" .. "b" .. "c" .. 1 .. 2.5 .. "d" .. -3)
print(("x" .. "y"):upper() .. ("Z"):lower())
