-- wrk -s requests.lua URL -- [FILE]: posts each line of FILE in turn, as JSON; GETs without one.
-- Prints what came of it as a line of JSON; latencies in microseconds.
local requests, number = {}, 0

function init(arguments)
  if arguments[1] == nil then
    requests[1] = wrk.format("GET")
    return
  end
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] =
      wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, line)
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
