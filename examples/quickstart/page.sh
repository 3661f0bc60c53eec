#!/bin/sh
# The page that `web` serves: what it hears from `db` through its link.
printf 'Content-Type: text/html\r\n\r\n'
echo "<h1>It works</h1>"
echo "<p>This is $(hostname). Its link <b>database</b> says: <b>$(wget -qO- http://database/)</b></p>"
