-- Statements and scopes: blocks, shadowing, local functions, operators, comments.

local x = 1
do
  local x = x + 1
  print(x)
  do local x = x * 10 print(x) end
  x = x + 5
  print(x)
end
print(x)
if x == 1 then local x = "then"; print(x) elseif x then local x = "elseif"; print(x) else local x = "else"; print(x) end
while x < 3 do local y = x; x = y + 1 end
print(x, y)
repeat local inner = x; x = x + 1 until inner >= 4
print(x, inner)
for x = 1, 2 do local x = x * 2; io.write(x, " ") end print(x)
local x = x; local x = x + 1; print(x)

print("elseif chains")
local function grade(n)
  if n >= 90 then return "A" elseif n >= 80 then return "B" elseif n >= 70 then return "C" else return "F" end
end
print(grade(95), grade(85), grade(75), grade(10))
local function nothing(v) if v then end if not v then else end return "end" end
print(nothing(1), nothing())

print("local function against local variable")
local function f(n) if n > 0 then return f(n - 1) end return "recursive" end
print(f(3))
local g = function(n) return type(g) end
print(g(1))
local function h() return "first" end
local function h() return "second" end
print(h())
function global_function() return "global" end
local global_function = global_function
print(global_function(), _G.global_function())
_G.global_function = nil

print("multiple assignment")
local a, b, c = 1
print(a, b, c)
a, b, c = 1, 2, 3, 4
print(a, b, c)
a, b = b, a
print(a, b)
local t = { 1, 2 }
local i = 1
i, t[i] = 2, "x"
print(i, t[1], t[2])
t.a, t.b = 1, t.a
print(t.a, t.b)
local q = { {}, {} }
q[1].n, q[2].n, q.n = 1, 2, 3
print(q[1].n, q[2].n, q.n)
do local a <const>, b = 10, 20; b = b + a; print(a, b) end
a, a = 1, 2
print(a)

print("semicolons and calls")
;;; local s = "s"; ; print(s);
print "string call" print [[long string call]]
local function arg1(v) return type(v) end
print(arg1 "x", arg1 { 1 }, arg1 [[y]], (arg1)(nil))
local obj = { v = 5, get = function(self, n) return self.v + (n or 0) end, str = function(self, s) return s .. self.v end }
print(obj:get(), obj:get(1), obj:str "s", obj.get(obj, 2), obj["get"](obj), ("x"):rep(2), ({ 7 })[1], (obj):get())
local chain = { n = 0 }
function chain:add(k) self.n = self.n + k return self end
print(chain:add(1):add(2):add(3).n, chain
  :add(4)
  :add(5).n)
local curried = function(p) return function(r) return function(z) return p .. r .. z end end end
print(curried "a" "b" "c", curried(1)(2)(3))

print("operators")
print(1 + 2 * 3 - 4 / 2, (1 + 2) * 3, 2 ^ 2 ^ 3, -2 ^ 2, (-2) ^ 2, not nil == true, not (1 == 2), #"abc" + 1)
print(1 .. 2 .. 3, "a" .. 1 + 2, 1 < 2 and 2 < 3, 1 == 1.0, "a" < "b", 5 // 2 * 2 + 5 % 2, 7 & 3 | 8, 1 << 4 - 1, ~0 & 0xF, 5 ~ 3)
print(nil == false, 1 and nil, false or nil, nil and 1, 1 or error("never"), nil or false)
print(2 * 3 % 4, 2 + 3 .. 4 + 5, -3 % 5, -(3 % 5), 2 ^ -1, - - 3, not not 1, - -3 ^ 2)
print(1 < 2 == true, "x" .. "y" == "xy", 3 - 2 - 1, 2 ^ 3 ^ 0, 100 // 7 // 2, 1 .. "" == "1")

print("comments")
-- one line
--[[ block ]] print("after block")
--[[
print("not run")
--]]
---[[
print("run")
--]]
--[==[ ]] ]=] ]==] print("levels")
print(1 --[[ inside ]] + --[=[ an expression ]=] 2) -- end
--
print("long names", a_long_name_with_1_digit_and__underscores == nil, _ == nil)

print("many locals and deep blocks")
local l1, l2, l3, l4, l5, l6, l7, l8, l9, l10 = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local m1, m2, m3, m4, m5, m6, m7, m8, m9, m10 = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
print(l1 + l2 + l3 + l4 + l5 + l6 + l7 + l8 + l9 + l10 + m1 + m2 + m3 + m4 + m5 + m6 + m7 + m8 + m9 + m10)
do do do do do do do do print("deep", l10, m10) end end end end end end end end
local function many(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) return p12, p1, p6 end
print(many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
print((((((((((("parentheses")))))))))))
print(#{ { { { {} } } } }, ({ ({ ({ 5 })[1] })[1] })[1])
return print("the chunk returns")
