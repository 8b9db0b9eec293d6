-- wrk -s saturation.lua URL -- FILE TOKEN: posts each line of FILE in turn, a path, a space and JSON.
-- Prints what came of it as a line of JSON.
local requests, number = {}, 0

function init(arguments)
  local headers = {
    ["Authorization"] = "Bearer " .. arguments[2],
    ["Content-Type"] = "application/json",
  }
  for line in io.lines(arguments[1]) do
    local path, body = line:match("^(%S+) (.*)$")
    requests[#requests + 1] = wrk.format("POST", path, headers, body)
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '{"answered":%d,"microseconds":%d,"refused":%d,"broken":%d}\n',
    summary.requests - errors.status, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
