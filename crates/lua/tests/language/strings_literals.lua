-- String literals: escapes, long brackets, line ends and lengths.

local function bytes(s)
  local out = {}
  for i = 1, #s do out[i] = string.format("%02x", s:byte(i)) end
  print(#s, table.concat(out, " "))
end

bytes("\a\b\f\n\r\t\v\\\"\'")
bytes('single "double" inside')
bytes("double 'single' inside")
bytes("\0\1\01\001\0011\255")
bytes("\x00\x41\x7f\xfF")
bytes("\u{0}\u{41}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\u{7fffffff}")
bytes("one\
two")
bytes("a\z
       b\z   c\z

       d")
bytes("\z")
bytes([[long]])
bytes([[
first line end is dropped]])
bytes([[

but not the second]])
bytes([==[with ]] and ]=] inside]==])
bytes([[back\nslash "quotes" 'all']])
bytes([=[[nested]]=])
bytes("")
bytes('')
bytes([[]])
bytes("é ü 漢")
print("a\tb\\n", 'it\'s', "say \"hi\"", "\65\066\x43", "tab:\t|")
print(#"\n", #"\\n", #'\u{20AC}', "\u{20AC}", "\u{48}\u{49}")

--[[ a long comment
over lines ]] print("after a long comment")
--[==[ another ]] with brackets
]==] print("after another")
--[ not a long comment
---[[ nor this
print("line", "ends") --]]
print(#[[
]], #"\r\n", "a" --[[inside]] .. "b")

-- The same text made in different ways is the same string.
local a, b = "hello world", "hello" .. " " .. "world"
print(a == b, ({ [a] = 1 })[b], #a == #b, a < b, a <= b)
local long1, long2 = ("x"):rep(1000), ("x"):rep(500) .. ("x"):rep(500)
print(long1 == long2, ({ [long1] = "found" })[long2], long1 == ("x"):rep(999) .. "y")
print("a\0b" == "a\0c", "a\0b" < "a\0c", #"a\0b", ("a\0b"):find("\0", 1, true), "a\0" == "a")
