-- A JSON encoder and decoder, and a round trip of a generated document.
--
-- The document is built from a small random generator of its own, encoded with
-- sorted keys, decoded, encoded again and compared.  Faulty documents are also
-- decoded, to show where each error is found.
--
-- Heap stress: a tree of many small tables and strings, buffers of string
-- pieces joined by table.concat, and two whole copies of the tree alive at once.
--
-- Arguments: [RECORDS]
--   RECORDS  how many records the document holds, 1000 by default

local record_count = tonumber((...)) or 1000

-- Encoding ------------------------------------------------------------------

local null = setmetatable({}, { __tostring = function() return "null" end })

local short_escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function escape(char)
  return short_escapes[char] or string.format("\\u%04x", char:byte())
end

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', escape) .. '"'
end

local encode_value

local function encode_array(list, out)
  out[#out + 1] = "["
  for i = 1, #list do
    if i > 1 then out[#out + 1] = "," end
    encode_value(list[i], out)
  end
  out[#out + 1] = "]"
end

local function encode_object(object, out)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    if i > 1 then out[#out + 1] = "," end
    out[#out + 1] = quote(key)
    out[#out + 1] = ":"
    encode_value(object[key], out)
  end
  out[#out + 1] = "}"
end

function encode_value(value, out)
  local kind = math.type(value) or type(value)
  if value == null then
    out[#out + 1] = "null"
  elseif kind == "integer" then
    out[#out + 1] = string.format("%d", value)
  elseif kind == "float" then
    out[#out + 1] = string.format("%.17g", value)
  elseif kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind == "table" then
    if value[1] ~= nil or next(value) == nil then
      encode_array(value, out)
    else
      encode_object(value, out)
    end
  else
    error("cannot encode a " .. kind)
  end
end

local function encode(value)
  local out = {}
  encode_value(value, out)
  return table.concat(out)
end

-- Decoding ------------------------------------------------------------------

local function fail(at, what)
  error(string.format("%s at byte %d", what, at), 0)
end

-- The bytes of one code point in UTF-8.
local function utf8_bytes(code)
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 | code >> 6, 0x80 | code & 0x3F)
  elseif code < 0x10000 then
    return string.char(0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F)
  end
  return string.char(0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F)
end

local long_escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function decode_string(text, at)
  local pieces, from = {}, at + 1
  while true do
    local stop = text:find('["\\]', from)
    if not stop then fail(at, "unfinished string") end
    pieces[#pieces + 1] = text:sub(from, stop - 1)
    if text:byte(stop) == 34 then
      return table.concat(pieces), stop + 1
    end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      local digits = text:match("^%x%x%x%x", stop + 2)
      if not digits then fail(stop, "bad \\u escape") end
      local code, past = tonumber(digits, 16), stop + 6
      if code >= 0xD800 and code < 0xDC00 then
        local low = text:match("^\\u(%x%x%x%x)", past)
        if not low then fail(stop, "lone surrogate") end
        code = 0x10000 + (code - 0xD800 << 10) + (tonumber(low, 16) - 0xDC00)
        past = past + 6
      end
      pieces[#pieces + 1] = utf8_bytes(code)
      from = past
    else
      local char = long_escapes[letter]
      if not char then fail(stop, "bad escape") end
      pieces[#pieces + 1] = char
      from = stop + 2
    end
  end
end

local words = { ["true"] = true, ["false"] = false, null = null }
local decode_value

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function decode_array(text, at)
  local list = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return list, at + 1 end
  while true do
    list[#list + 1], at = decode_value(text, at)
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "]" then return list, at + 1 end
    if mark ~= "," then fail(at, "expected ',' or ']'") end
    at = at + 1
  end
end

local function decode_object(text, at)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    at = skip(text, at)
    if text:sub(at, at) ~= '"' then fail(at, "expected a key") end
    local key
    key, at = decode_string(text, at)
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then fail(at, "expected ':'") end
    object[key], at = decode_value(text, at + 1)
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "}" then return object, at + 1 end
    if mark ~= "," then fail(at, "expected ',' or '}'") end
    at = at + 1
  end
end

function decode_value(text, at)
  at = skip(text, at)
  local first = text:sub(at, at)
  if first == '"' then
    return decode_string(text, at)
  elseif first == "{" then
    return decode_object(text, at)
  elseif first == "[" then
    return decode_array(text, at)
  end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if number then
    local value = tonumber(number)
    if not value then fail(at, "bad number") end
    return value, at + #number
  end
  local word = text:match("^%a+", at)
  local value = words[word]
  if word and value ~= nil then
    return value, at + #word
  end
  fail(at, "unexpected character")
end

local function decode(text)
  local value, at = decode_value(text, 1)
  at = skip(text, at)
  if at <= #text then fail(at, "trailing text") end
  return value
end

-- The document --------------------------------------------------------------

local seed = 20240
local function random(limit)
  seed = seed * 48271 % 2147483647
  return seed % limit + 1
end

local syllables = { "ka", "ro", "mi", "ten", "su", "lo", "\"q\"", "\t", "\\", "é", "/", "\1" }
local function name()
  local parts = {}
  for i = 1, random(5) do parts[i] = syllables[random(#syllables)] end
  return table.concat(parts)
end

local function value(depth)
  local pick = random(depth > 3 and 5 or 7)
  if pick == 1 then return random(1000000) - 500000 end
  if pick == 2 then return random(1000000) / 64 end
  if pick == 3 then return name() end
  if pick == 4 then return random(2) == 1 end
  if pick == 5 then return null end
  local made = {}
  for i = 1, random(5) do
    if pick == 6 then made[i] = value(depth + 1) else made["k" .. random(50)] = value(depth + 1) end
  end
  return made
end

local document = { title = "generated", records = {} }
for i = 1, record_count do
  document.records[i] = { id = i, name = name(), payload = value(1), tags = { name(), name() } }
end

local function checksum(text)
  local sum = 7
  for at = 1, #text, 64 do
    for _, byte in ipairs({ text:byte(at, at + 63) }) do
      sum = (sum * 131 + byte) % 2147483647
    end
  end
  return sum
end

local first = encode(document)
local copy = decode(first)
local second = encode(copy)
print("bytes", #first)
print("checksum", checksum(first))
print("round trip", first == second)
print("records", #copy.records)
print("sample", encode(copy.records[1]))
print("sample", first:sub(1, 160))

print(encode(decode([[ { "a" : [ 1 , 2.5 , -3e2 , true , null ] , "b" : { } , "c" : "\u00e9\ud83d\ude00\n" } ]])))
print(tostring(decode("[null]")[1]))

for _, bad in ipairs({ "", "[1,2", '{"a" 1}', '{"a":1,}', '"abc', '"\\x"', '"\\u12g4"', '"\\ud800"', "[1] x", "nul", "[1 2]", "-" }) do
  print(string.format("%-10s", bad), pcall(decode, bad))
end
print(select(2, pcall(encode, { f = print })):gsub("^.-: ", ""))
