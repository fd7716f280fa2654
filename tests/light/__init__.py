"""Tests on librdkafka's mock broker, which need no download and no JVM."""
