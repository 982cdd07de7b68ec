-- A grid of string.gsub: replacement by string, table and function.

print("strings")
local cases = {
  { "hello world", "o", "0" },
  { "hello world", "o", "0", 1 },
  { "hello world", "o", "0", 0 },
  { "hello world", "o", "0", -1 },
  { "hello world", "l+", "<%0>" },
  { "hello world", "(l+)", "<%1>" },
  { "hello world", "(%w+) (%w+)", "%2 %1" },
  { "hello world", "%w+", "%0 %0", 1 },
  { "hello world", "", "-" },
  { "hello", "x*", "-" },
  { "hello", "l*", "x" },
  { "hello", ".", "%%" },
  { "hello", "^h", "j" },
  { "hello", "^x", "j" },
  { "hello", "o$", "0" },
  { "hello", "$", "!" },
  { "hello", "^", ">" },
  { "abc", "%w", "%0%0" },
  { "abc", "(a)(b)(c)", "%3%2%1" },
  { "abc", "()", "%1" },
  { "a,b,,c", ",", ";" },
  { "a,b,,c", ",,", "," },
  { "  trim  ", "^%s*(.-)%s*$", "%1" },
  { "a b c", "%s", "" },
  { "", "", "x" },
  { "", "a", "x" },
  { "", "^$", "empty" },
  { "abab", "^ab", "x" },
  { "path/to/file", "[^/]*$", "" },
  { "x = 1, y = 2", "(%w+) = (%w+)", "%2 = %1" },
  { "aaa", "a-", "b" },
  { "CamelCaseWord", "(%l)(%u)", "%1_%2" },
  { "f(x) + g(y)", "%b()", "[]" },
  { "THE quick FOX", "%f[%a]%u+%f[%A]", "*" },
  { "a\0b", "%z", "0" },
  { "1 2 3", "%d", 9 },
  { "1 2 3", "%d", 1.5 },
}
for _, case in ipairs(cases) do
  local result, count = string.gsub(case[1], case[2], case[3], case[4])
  print(string.format("%-14s %-16s %-10s [%s] %d", case[1]:gsub("%z", "0"), case[2], tostring(case[3]), result, count))
end

print("tables")
local t = { name = "Lua", version = 5.4, n = 7, no = false, ["1"] = "one" }
print(("$name is $version, $missing and $no"):gsub("%$(%w+)", t))
print(("name n 1 x"):gsub("%w+", t))
print(("name=n"):gsub("(%w+)=(%w+)", t))
print(("abc"):gsub("()", { [1] = "<", [2] = "-", [4] = ">" }))
print(("a b"):gsub("%a", setmetatable({}, { __index = function(_, k) return k .. k end })))

print("functions")
print(("1 2 3"):gsub("%d", function(d) return d * 2 end))
print(("1 2 3"):gsub("%d", function(d) if d == "2" then return nil end return "x" end))
print(("1 2 3"):gsub("%d", function() return false end))
print(("1 2 3"):gsub("%d", function() end))
print(("a=1 b=2"):gsub("(%a)=(%d)", function(k, v) return v .. "=" .. k end))
print(("abc"):gsub("", function(s) return "[" .. #s .. "]" end))
print(("abc"):gsub("()", function(p) return p end))
print(("hello"):gsub(".", string.upper))
print(("3 + 4"):gsub("(%d) %+ (%d)", function(a, b) return a + b end))
local nested = ("a-b c-d"):gsub("%S+", function(word) return (word:gsub("%a", string.upper)) .. #word end)
print(nested)
local log = {}
print(("abcd"):gsub("%a", function(c) log[#log + 1] = c; return c:byte() end, 3))
print(table.concat(log))
print(#(("x"):rep(5):gsub("x", function() return ("y"):rep(100) end)), #(("x"):rep(500):gsub("x", "yz")))

print("errors")
local function try(...)
  local a, b, c = ...
  local ok, message = pcall(function() return (string.gsub(a, b, c)) end)
  print(ok, message)
end
try("abc", "b", "%2")
try("abc", "(b)", "%2")
try("abc", "b", "%x")
try("abc", "b", "%")
try("abc", "b", nil)
try("abc", "b", true)
try("abc", "b", function() return {} end)
try("abc", "b", { b = print })
try("abc", "b", { b = true })
try("abc", "b", function() error("in callback", 0) end)
try("abc", "b", function() local x = nil; return x.y end)
try("abc", "(b", "x")
try(nil, "b", "x")
try("abc", nil, "x")
print(pcall(function() string.gsub("a", "a", "b", "x") end))
