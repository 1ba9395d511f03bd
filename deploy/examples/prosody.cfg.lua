-- Add this at the end of /etc/prosody/prosody.cfg.lua, with the secret that stox.toml has, then
-- `systemctl restart prosody`. Prosody listens for components on port 5347 of loopback.
Component "xmpp-sip.example.org"
    component_secret = "the component's secret"
