-- Posts photos, one after the other. wrk's arguments: "raw" or "form", then their paths.
local requests, position = {}, 0

local BOUNDARY = "8f2d1c7a"

local function part(photo)
  return "--" .. BOUNDARY .. "\r\n"
    .. 'Content-Disposition: form-data; name="images"; filename="photo.jpg"\r\n'
    .. "Content-Type: image/jpeg\r\n\r\n" .. photo .. "\r\n--" .. BOUNDARY .. "--\r\n"
end

function init(arguments)
  local form = arguments[1] == "form"
  wrk.method = "POST"
  wrk.headers["Content-Type"] =
    form and "multipart/form-data; boundary=" .. BOUNDARY or "image/jpeg"
  for position = 2, #arguments do
    local file = assert(io.open(arguments[position], "rb"))
    local photo = file:read("*a")
    file:close()
    -- Made once: the load generator shares the cores with what it measures.
    requests[#requests + 1] = wrk.format(nil, nil, nil, form and part(photo) or photo)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50": %f, "p95": %f, "p99": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
