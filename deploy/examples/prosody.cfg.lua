-- Add to /etc/prosody/prosody.cfg.lua, then `prosodyctl reload` (a new component port needs a restart).
component_ports = { 5347 }
component_interfaces = { "127.0.0.1" }

Component "xmpp-sip.example.org"
    component_secret = "the password in stox.toml"
