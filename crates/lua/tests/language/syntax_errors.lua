-- Messages of the compiler.

local function try(source)
  local chunk, message = load(source, "=src")
  local shown = source:gsub("\n", "\\n"):gsub("[%c\127-\255]", function(c) return "\\" .. c:byte() end)
  print(shown:sub(1, 44), chunk and "compiled" or message)
end

print("statements")
for _, source in ipairs({
  "x", "x =", "= 1", "x = = 1", "x y", "local", "local 1", "local x =", "local x y", "local function", "local function 1()", "function", "function f", "function f(",
  "function f() ", "function f.() end", "function f:g.h() end", "function f:1() end", "if", "if x", "if x then", "if x then else", "if x then elseif", "if x then else else end",
  "while", "while x", "while x do", "for", "for x", "for x =", "for x = 1", "for x = 1 do end", "for x = 1, 2", "for x = 1, 2, 3, 4 do end", "for x in", "for x in y", "for x, y = 1, 2 do end", "for 1 = 1, 2 do end",
  "repeat", "repeat until", "do", "do end end", "end", "until x", "else", "return return", "return 1,", "return 1 2", "break x", "goto", "::a", "x, y", "x, y =", "x, 1 = 1, 2", "f() = 1", "(x) = 1", "x + 1", "1 + 1", "'string'", "f", "f.x", "f:x", "f:x = 1", "x.1 = 1", "x[1 = 2", "x[] = 1", "local x <const> = 1 x = 2", "and", "x = and", "local and = 1", "function end() end", "x = function", "x = function() return", "if x then end end", "return 1; x = 2", "local x; return; x = 1",
}) do
  try(source)
end

print("expressions")
for _, source in ipairs({
  "x = ", "x = 1 +", "x = + 1", "x = * 1", "x = (1", "x = 1)", "x = ()", "x = {", "x = {1", "x = {1 2}", "x = {[1}", "x = {[1] 2}", "x = {a = }", "x = {= 1}", "x = {,}", "x = {1,,2}", "x = {;}", "x = f(", "x = f(1", "x = f(1,", "x = f(,1)", "x = f 1", "x = a.", "x = a.1", "x = a:", "x = a:b", "x = a:b.c", "x = a[", "x = a[1", "x = not", "x = #", "x = - -", "x = ~", "x = 1 ~ ", "x = 1 == ", "x = 1 ..", "x = ...", "function f() return ... end", "function f() local function g(...) end return ... end", "function f(a, ...) return ... end", "function f(..., a) end", "function f(a,) end", "function f(1) end", "x = a.b.c:d", "x = 'a' 'b'", "x = a b", "x = function(a b) end", "x = 1 2", "x = !1", "x = a ? b : c", "x = 1 != 2", "x += 1", "x++", "x = @", "x = $", "x = `a`", "x = \\", "x = a->b", "x = &", "x = 1 <> 2", "x = 5 // ", "x = ~= 1",
}) do
  try(source)
end

print("literals")
for _, source in ipairs({
  "x = 'abc", 'x = "abc', "x = 'abc\ny'", "x = [[abc", "x = [==[abc]]", "x = [=abc", "x = [=", "--[[ comment", "--[==[ comment ]]", "x = '\\q'", "x = '\\300'", "x = '\\2555'", "x = '\\x1'", "x = '\\xgg'", "x = '\\u{110000}'", "x = '\\u{80000000}'", "x = '\\u{}'", "x = '\\u123'", "x = '\\u{12'", "x = '\\u{g}'", "x = '\\", "x = 'a\\\nb'", "x = '\\z   ", "x = 1e", "x = 0x", "x = 1..2", "x = 3x", "x = .", "x = ..", "x = ....", "x = 'a\\x41\\u{41}\\065\\z  b'",
}) do
  try(source)
end

print("lines")
try("x = 1\ny = 2\nz =\n")
try("x = 1\n\n\ny = = 2")
try("local s = 'one\\\ntwo\\\nthree' = 5")
try("local s = [[\n\n\n]] = 5")
try("--[[\n\n]] = 5")
try("if x then\n  y = 1\n\n\n")
try("function f()\n  if x then\n    g()\n  end\n\n")
try("for i = 1, 2 do\n\nwhile x do\n")
try("x = {\n1,\n2\n\n")
try("f(\n1,\n2\n")
try("x = (1 +\n2\n")
try("repeat\n\nlocal x\n")
try("local t = {}\nt.x = 1\nt.y 2")
try("\n\n  @")
try("x = 'abc\n'")
try("goto nowhere\n\n")
try("do\n::a::\n::a::\nend")
try("while true do\nlocal f = function()\nbreak\nend\nend")

print("limits")
local locals = {}
for i = 1, 201 do locals[i] = "local a" .. i end
print((select(2, load(table.concat(locals, "\n"), "=src"))))
locals[201] = nil
print(load(table.concat(locals, "\n"), "=src") ~= nil)
local names = {}
for i = 1, 201 do names[i] = "a" .. i end
print((select(2, load("local " .. table.concat(names, ","), "=src"))))
local up = { "local u = 1" }
for i = 1, 3 do up[#up + 1] = "local function f" .. i .. "() return u end" end
print(load(table.concat(up, "\n"), "=src") ~= nil)
local nested = ("("):rep(150) .. "1" .. (")"):rep(150)
print(load("return " .. nested)())
local too_deep, message = load("return " .. ("("):rep(1000) .. "1" .. (")"):rep(1000), "=src")
print(too_deep, (message:find("overflow", 1, true) or message:find("too many", 1, true)) ~= nil)
print(load(("do "):rep(150) .. ("end "):rep(150)) ~= nil)
local blocks
blocks, message = load(("do "):rep(1000) .. ("end "):rep(1000), "=src")
print(blocks, (message:find("overflow", 1, true) or message:find("too many", 1, true)) ~= nil)

print("near long tokens")
try("x = " .. ("a"):rep(60) .. " " .. ("b"):rep(60))
try("x = 'a' " .. ("z"):rep(100))
try("x = 1 'a long string that is near'")
try("x = 1 [[long\nstring]]")
try("x = 5 \1")
try("x = 5 \127")
try("x = 5 \200")
