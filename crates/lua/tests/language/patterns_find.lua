-- A grid of string.find, string.match and string.gmatch.

local function grid(subject, patterns, init)
  for _, pattern in ipairs(patterns) do
    local found = table.pack(string.find(subject, pattern, init))
    local matched = table.pack(string.match(subject, pattern, init))
    for i = 1, found.n do found[i] = tostring(found[i]) end
    for i = 1, matched.n do matched[i] = "'" .. tostring(matched[i]) .. "'" end
    print(string.format("%-16s %-20s %-16s %s", subject, pattern, table.concat(found, ","), table.concat(matched, ",")))
  end
end

print("classes")
grid("aB3 _-\t.", { "%a", "%d", "%l", "%u", "%s", "%p", "%w", "%c", "%x", "%g", "%A", "%D", "%L", "%U", "%S", "%P", "%W", "%X", "%G", "%C", "." })
grid("hello world", { "o", "o w", "lo*", "l+", "l-o", "x*", "x?h", "wor?l?d", "^hello", "^world", "world$", "hello$", "^hello world$", "$", "^", "" })
grid("key = value", { "(%w+)%s*=%s*(%w+)", "(%w+)", "()=()", "(=)(.)", "((k)(e))", "%s(.-)%s", "^(%w*).-(%w*)$" })
grid("a.b-c*d", { "%.", "%-", "%*", "[.]", "[-.]", "[*]", "a.b", "a%.b", "[%w]+", "[^%w]", "[a-c]+", "[%a-]+" })

print("sets")
grid("0xDEADbeef]^-", { "[0-9a-f]+", "[%x]+", "[A-Z]+", "[^A-Z]+", "[%]]", "[]]", "[^]]+", "[%^]", "[a^]+", "[%-]", "[-]", "[%d%u]+", "[%a%d]*", "[x-]" })
grid("1+1=2", { "%d%+%d", "[+=]", "[%+%=]", "1.1", "%d+$", "=(%d)" })
grid("[tag]", { "%[(.-)%]", "[[](%a+)[]]", "^%[", "%]$", "[%[%]]" })

print("repetition")
grid("aaab", { "a*", "a+", "a-", "a?", "a-b", "a*b", "a+b", "a?b", "^a-$", "^a-b$", "(a*)(.*)", "(a-)(b)", "(a+)(a)", "a*a*a*b" })
grid("", { "", "^", "$", "^$", ".", ".*", ".-", "a*", "()", "(.?)" })
grid("<b>bold</b><i>x</i>", { "<.->", "<.*>", "<(%a)>(.-)</%1>", "<(%w)>.-</(%w)>$", "></" })

print("back references and balance")
grid("abcabc xyzxyz", { "(%a%a%a)%1", "(x)(y)(z)%1%2%3", "(b)%1", "(%a)%a%a%1" })
grid("f(a(b)c)d)", { "%b()", "%b)(", "%bab", "f%b()", "(%b())" })
grid("say 'hi' \"yo\"", { "(['\"])(.-)%1", "([\"'])%a+%1", "%b''", '%b""' })

print("frontiers")
grid("THE (quick) fox", { "%f[%a]%a+", "%f[%a]%a+%f[%A]", "%f[%l]%l+", "()%f[%s]", "%f[%z]", "%f[^%a]", "%f[%w]%w+$", "fox%f[%z]" })

print("start")
grid("banana", { "an", "^an", "a", "()a" }, 2)
grid("banana", { "an", "a$", "^a", "" }, -1)
grid("banana", { "a", "", "^" }, 7)
grid("banana", { "a", "", "^" }, 8)
grid("banana", { "a", "" }, -100)
print(("a+b+c"):find("+", 3, true), ("a+b"):find("b", 1, false), ("a.b"):find(".", 2, true))

print("zero bytes")
print(("a\0b\0c"):find("%z"), ("a\0b"):find("\0"), ("a\0b"):match("(.)%z(.)"), ("a\0b"):find("[\0]"), #("a\0b"):match(".+"))
print(("\255\254"):find("\254"), ("\200"):find("[\100-\210]"), ("é"):find("[é]"), #("é"):match("[\128-\255]+"))

print("gmatch")
local function all(subject, pattern, init)
  local out = {}
  for a, b in subject:gmatch(pattern, init) do
    out[#out + 1] = "<" .. tostring(a) .. (b and "|" .. tostring(b) or "") .. ">"
  end
  print(string.format("%-18s %-14s %s", subject, pattern, table.concat(out, " ")))
end
all("one two  three", "%a+")
all("one two  three", "%a*")
all("one two  three", "()%a+()")
all("k=v, a=b;c=d", "(%w)=(%w)")
all("abc", "")
all("abc", "b*")
all("abc", ".")
all("aaa", "a-")
all("aaa", "^a")
all("a,b,,c,", "([^,]*)")
all("a,b,,c,", "([^,]*),")
all("2024-01-31", "%d+")
all("x1y22z333", "(%a)(%d+)")
all("abcdef", "%w%w", 3)
all("abcdef", "%w%w", -2)
all("", ".*")
all("hello", "l", 100)
local outer = {}
for word in ("ab cd"):gmatch("%a+") do
  for letter in word:gmatch(".") do outer[#outer + 1] = word .. letter end
end
print(table.concat(outer, " "))
local it = ("a b"):gmatch("%a")
print(it(), it(), it(), it())

print("many captures")
print(("abcdefghij"):match("(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)"))
print(select("#", ("x"):rep(32):match(("(x)"):rep(32))))
print(("a"):rep(1000):match("^(a-)$") == ("a"):rep(1000), #("ab"):rep(500):match(".*b"))
print(("x"):rep(200):find(("x?"):rep(20) .. ("x"):rep(20)))
