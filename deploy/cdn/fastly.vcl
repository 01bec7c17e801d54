# Fastly in front of Tintype, as snippets of its generated VCL. Fastly honours Vary, and purges by Surrogate-Key: set
# surrogate_key in the workspace.

# vcl_recv: one variant for all browsers that take the same formats.
if (req.url.path !~ "^/(v1|app)(/|$)") {
  if (req.http.Accept ~ "image/avif") {
    set req.http.Accept = "image/avif,image/webp,*/*";
  } else if (req.http.Accept ~ "image/webp") {
    set req.http.Accept = "image/webp,*/*";
  } else {
    set req.http.Accept = "*/*";
  }
  unset req.http.Cookie;
}

# vcl_recv: the API and the dashboard are nobody else's.
if (req.url.path ~ "^/(v1|app)(/|$)" || req.http.Authorization) {
  return(pass);
}

# vcl_fetch: what is private is not kept, errors as long as they say.
if (beresp.http.Cache-Control ~ "(private|no-store)") {
  return(pass);
}
