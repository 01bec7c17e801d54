# Varnish in front of several nodes: each path goes to the same node, so that its variants are made once, and their original is
# fetched once. The path names workspace and image, or src= does. Without a node, its paths go to the others. This is only the
# choice of the node: what is cached, and how purges come, is in varnish.vcl, into which these parts go.
vcl 4.1;

import directors;

# A node that stands still keeps a request as long as first_byte_timeout: more than a fetch and a transform take, 10 s each.
probe ready {
	.url = "/readyz";
	.interval = 2s;
	.window = 3;
	.threshold = 2;
	.initial = 2;
}

backend one {
	.host = "one";
	.port = "8080";
	.probe = ready;
	.first_byte_timeout = 30s;
}

backend two {
	.host = "two";
	.port = "8080";
	.probe = ready;
	.first_byte_timeout = 30s;
}

backend three {
	.host = "three";
	.port = "8080";
	.probe = ready;
	.first_byte_timeout = 30s;
}

sub vcl_init {
	new tintype = directors.shard();
	tintype.add_backend(one);
	tintype.add_backend(two);
	tintype.add_backend(three);
	tintype.reconfigure();
}

sub vcl_recv {
	set req.http.X-Tintype-Image = regsub(req.url, "\?.*$", "");
	if (req.url ~ "[?&]src=") {
		set req.http.X-Tintype-Image = req.http.X-Tintype-Image + regsub(req.url, "^.*[?&]src=([^&]*).*$", "?\1");
	}
	set req.backend_hint = tintype.backend(by=KEY, key=tintype.key(req.http.X-Tintype-Image));
	unset req.http.X-Tintype-Image;
}

sub vcl_backend_error {
	# A node that is gone, and that no probe has found out yet.
	if (bereq.retries == 0 && bereq.method == "GET") {
		return (retry);
	}
}

sub vcl_backend_fetch {
	if (bereq.retries > 0) {
		set bereq.backend = tintype.backend(by=URL, alt=1);
	}
}
