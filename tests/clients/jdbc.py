"""Run in the clients' environment: the JDBC driver in a Java machine, as DBeaver uses it."""

import json
import os
import sys

import jpype

jvm, address, *jars = sys.argv[1:]
jpype.startJVM(jvm, classpath=jars)
properties = jpype.JClass("java.util.Properties")()
properties.setProperty("user", "ana")
properties.setProperty("password", os.environ["CLICKHOUSE_PASSWORD"])
jpype.JClass("java.lang.Class").forName("com.clickhouse.jdbc.ClickHouseDriver")
connection = jpype.JClass("java.sql.DriverManager").getConnection(address, properties)

metadata = connection.getMetaData()
tables = metadata.getTables(None, "audit", "%", None)
names = []
while tables.next():
    names.append(str(tables.getString("TABLE_NAME")))
columns = metadata.getColumns(None, "audit", "events", "%")
count = 0
while columns.next():
    count += 1

statement = connection.prepareStatement(
    "SELECT org_id, count() FROM events WHERE event = ? GROUP BY org_id ORDER BY org_id"
)
statement.setMaxRows(100)
statement.setQueryTimeout(30)
statement.setString(1, "user.login")
rows = statement.executeQuery()
found = []
while rows.next():
    found.append([str(rows.getString(1)), int(rows.getLong(2))])
print(json.dumps({"tables": names, "columns": count, "rows": found}))
