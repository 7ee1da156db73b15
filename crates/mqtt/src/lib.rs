//! MQTT packets, codec and client, without IO.
