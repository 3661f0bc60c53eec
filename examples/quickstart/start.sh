#!/bin/sh
# What each machine of the quickstart does when it boots.
/bin/syslogd
mkdir -p /www
/bin/httpd -p 80 -h /www
