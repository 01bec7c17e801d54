#!/bin/sh
# Cloudflare in front of Tintype, by its API. ZONE is the zone's id, CLOUDFLARE_TOKEN a token that may edit cache rules and
# zone settings. "Vary for images" needs a Pro zone or better, and reads the path's extension; elsewhere use format= in URLs.
set -eu
call() {
	curl -fsS -X "$1" -H "Authorization: Bearer $CLOUDFLARE_TOKEN" -H 'Content-Type: application/json' --data "$3" "https://api.cloudflare.com/client/v4/zones/$ZONE/$2"
}

# Which types an extension may be answered with.
call PATCH cache/variants '{"value":{
  "jpg": ["image/jpeg", "image/webp", "image/avif"],
  "jpeg": ["image/jpeg", "image/webp", "image/avif"],
  "png": ["image/png", "image/webp", "image/avif"],
  "gif": ["image/gif", "image/webp"],
  "webp": ["image/webp", "image/avif", "image/jpeg", "image/png"]}}'

# Images are cached as their headers say; the API and the dashboard are not.
call PUT rulesets/phases/http_request_cache_settings/entrypoint '{"rules":[
  {"expression": "starts_with(http.request.uri.path, \"/v1\") or starts_with(http.request.uri.path, \"/app\")",
   "action": "set_cache_settings", "action_parameters": {"cache": false}},
  {"expression": "not starts_with(http.request.uri.path, \"/v1\") and not starts_with(http.request.uri.path, \"/app\")",
   "action": "set_cache_settings", "action_parameters": {"cache": true,
     "edge_ttl": {"mode": "respect_origin"}, "browser_ttl": {"mode": "respect_origin"}}}]}'
