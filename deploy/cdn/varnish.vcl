# Varnish as a cache in front of Tintype: varnishd -f varnish.vcl -a :80 -s malloc,2g. Set --trusted-proxies to its address.
#
# Purges of Tintype reach it by --purge-command varnish-purge, which is beside this.
vcl 4.1;

backend tintype {
	.host = "127.0.0.1";
	.port = "8080";
	.first_byte_timeout = 60s;
	.probe = {
		.url = "/readyz";
		.interval = 2s;
	}
}

acl purgers {
	"127.0.0.1";
}

sub vcl_recv {
	if (req.url ~ "^/(v1|app)(/|$)" || req.http.Authorization) {
		return (pass);
	}
	# One variant for all browsers that take the same formats.
	if (req.http.Accept ~ "image/avif") {
		set req.http.Accept = "image/avif,image/webp,*/*";
	} elsif (req.http.Accept ~ "image/webp") {
		set req.http.Accept = "image/webp,*/*";
	} else {
		set req.http.Accept = "*/*";
	}
	if (req.method == "BAN" && client.ip ~ purgers) {
		# The tag as it is, not as an expression.
		set req.http.X-Tag = regsuball(req.http.X-Tag, "[][^\\]", ".");
		set req.http.X-Tag = regsuball(req.http.X-Tag, "([.+*?(){}|$])", "[\1]");
		ban("obj.http.Cache-Tag ~ (^|,)" + req.http.X-Tag + "(,|$)");
		return (synth(200, "Banned"));
	}
	if (req.method != "GET" && req.method != "HEAD") {
		return (pass);
	}
	# Images need no cookies. Without this line, none of a site's would be cached.
	unset req.http.Cookie;
	return (hash);
}

sub vcl_backend_response {
	if (beresp.http.Cache-Control ~ "private|no-store" || beresp.ttl <= 0s) {
		set beresp.uncacheable = true;
		return (deliver);
	}
	set beresp.grace = 1h;
}

sub vcl_deliver {
	set resp.http.X-Cache = "MISS";
	if (obj.hits > 0) {
		set resp.http.X-Cache = "HIT";
	}
}
