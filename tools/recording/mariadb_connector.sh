#!/bin/sh
# Debezium's MariaDB connector out of its source, for a machine whose Maven repository lacks the plugin archive
# io.debezium:debezium-connector-mariadb:3.6.0.Final:plugin. Everything but the connector's own classes comes from the
# released archive of the MySQL connector and from Kafka's jars; the driver is the version that the release names.
#
#   tools/recording/mariadb_connector.sh SOURCE MYSQL_PLUGIN KAFKA_JARS DRIVER OUT
#
# SOURCE        the folder debezium-connector-mariadb of Debezium's repository at the tag v3.6.0.Final
# MYSQL_PLUGIN  the unpacked plugin archive of debezium-connector-mysql 3.6.0.Final
# KAFKA_JARS    a folder below which Kafka's jars are, such as the stack's cache
# DRIVER        mariadb-java-client-3.5.3.jar
# OUT           a new folder, to be given to `python -m tools.recording --plugin`
set -eu
source=$1 mysql=$2 kafka=$3 driver=$4 out=$5
plugin=$out/debezium-connector-mariadb
mkdir -p "$plugin" "$out/classes"
cp "$mysql"/*.jar "$driver" "$plugin"
# only one connector in a plugin, so that Connect can't take the other one's classes for it
rm "$plugin"/debezium-connector-mysql-*.jar "$plugin"/mysql-connector-j-*.jar
jars=$(find "$plugin" "$kafka" -name '*.jar' | tr '\n' ':')
find "$source/src/main/java" -name '*.java' > "$out/sources"
javac --release 17 -nowarn -proc:none -cp "$jars" -d "$out/classes" "@$out/sources"
cp -R "$source"/src/main/resources/. "$out/classes"
printf 'version=3.6.0.Final\n' > "$out/classes/io/debezium/connector/mariadb/build.version"
jar --create --file "$plugin/debezium-connector-mariadb-3.6.0.Final.jar" -C "$out/classes" .
rm -r "$out/classes" "$out/sources"
