// The PostgreSQL JDBC driver against a server that shows what an analyst of tenant acme may see.
//
// Arguments: URL, user, password. What is the same on every server is checked here; what the driver
// finds out about the database is printed, so that two servers can be compared line by line.

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;

public class CheckJdbc {
    private static String url;
    private static String user;
    private static String password;

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        user = arguments[1];
        password = arguments[2];
        for (String mode : List.of("extended", "extendedForPrepared", "simple")) {
            try (Connection connection = connect(mode)) {
                queries(connection, !mode.equals("simple"));
                transactions(connection);
            }
        }
        try (Connection connection = connect("extended")) {
            settings(connection);
            cursors(connection);
            errors(connection);
            cancel(connection);
            batch(connection);
            columns(connection);
            metadata(connection.getMetaData());
        }
        System.out.println("ok");
    }

    private static Connection connect(String mode) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", user);
        properties.setProperty("password", password);
        properties.setProperty("preferQueryMode", mode);
        properties.setProperty("prepareThreshold", "1");
        properties.setProperty("ApplicationName", "check of jdbc");
        return DriverManager.getConnection(url, properties);
    }

    private static void check(boolean condition, Object what) {
        if (!condition) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    /** Parameters and results of every type, in text and (from the second execution on) in binary. */
    private static void queries(Connection connection, boolean extended) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            check(statement.execute("SELECT 1; SELECT 2"), "two results");
            ResultSet one = statement.getResultSet();
            check(one.next() && one.getInt(1) == 1 && statement.getMoreResults(), "the first result");
            one = statement.getResultSet();
            check(one.next() && one.getInt(1) == 2, "the second result");
            check(statement.execute("SELECT id FROM crm.customers WHERE false"), "no rows");
            check(statement.getResultSet().getMetaData().getColumnCount() == 1, "one column");
        }
        String sql =
                "SELECT id, tenant_id, birth_date, created_at, phone, length(full_name) FROM crm.customers"
                        + " WHERE id = ? AND birth_date > ? AND created_at > ? AND tenant_id = ?";
        try (PreparedStatement prepared = connection.prepareStatement(sql)) {
            for (long id = 1; id <= 5; id++) {
                prepared.setLong(1, id);
                prepared.setDate(2, Date.valueOf("1950-02-03"));
                prepared.setTimestamp(3, Timestamp.valueOf("2020-01-01 12:34:56.789"));
                prepared.setString(4, "acme");
                try (ResultSet row = prepared.executeQuery()) {
                    check(row.next(), "customer " + id);
                    LocalDate birth = LocalDate.of(1960, 1, 1).plusDays(id * 137);
                    LocalDateTime created = LocalDateTime.of(2024, 1, 1, 0, 0).plusDays(id);
                    check(row.getLong(1) == id, row.getLong(1));
                    check(row.getString(2).equals("acme"), row.getString(2));
                    check(row.getDate(3).toLocalDate().equals(birth), row.getDate(3));
                    check(row.getObject(3, LocalDate.class).equals(birth), row.getString(3));
                    check(row.getTimestamp(4).toLocalDateTime().equals(created), row.getString(4));
                    check(row.getObject(4, LocalDateTime.class).equals(created), row.getString(4));
                    check(row.getString(5) == null && row.wasNull(), "phone");
                    check(row.getInt(6) == ("Acme Person " + id).length(), row.getInt(6));
                    check(!row.next(), "one row");
                }
            }
        }
        sql = "SELECT sum(amount), count(*), min(amount) FROM crm.orders WHERE amount >= ? AND amount < ? AND id <> ?";
        try (PreparedStatement prepared = connection.prepareStatement(sql)) {
            for (int round = 0; round < 3; round++) {
                prepared.setBigDecimal(1, new BigDecimal("20.00"));
                prepared.setDouble(2, 30.5);
                prepared.setInt(3, 15);
                try (ResultSet row = prepared.executeQuery()) {
                    check(row.next(), "a sum");
                    check(row.getBigDecimal(1).compareTo(new BigDecimal("250")) == 0, row.getString(1));
                    check(row.getLong(2) == 10, row.getLong(2));
                    check(row.getBigDecimal(3).compareTo(new BigDecimal("20")) == 0, row.getString(3));
                }
            }
        }
        sql = "SELECT ?::boolean, ?::smallint, ?::real, ?::double precision, ?::text, ?::bigint, ?::date, ?::timestamp";
        try (PreparedStatement prepared = connection.prepareStatement(sql)) {
            for (int round = 0; round < 3; round++) {
                prepared.setBoolean(1, true);
                prepared.setShort(2, (short) -7);
                prepared.setFloat(3, 1.5f);
                prepared.setDouble(4, -2.25);
                prepared.setString(5, "it's \"quoted\" \\ ü");
                prepared.setNull(6, Types.BIGINT);
                prepared.setObject(7, LocalDate.of(2024, 2, 29));
                prepared.setObject(8, LocalDateTime.of(2024, 2, 29, 1, 2, 3, 456_000_000));
                try (ResultSet row = prepared.executeQuery()) {
                    check(row.next() && row.getBoolean(1), "true");
                    check(row.getShort(2) == -7, row.getShort(2));
                    check(row.getFloat(3) == 1.5f, row.getFloat(3));
                    check(row.getDouble(4) == -2.25, row.getDouble(4));
                    check(row.getString(5).equals("it's \"quoted\" \\ ü"), row.getString(5));
                    check(row.getObject(6) == null, row.getObject(6));
                    check(row.getObject(7, LocalDate.class).equals(LocalDate.of(2024, 2, 29)), row.getString(7));
                    check(row.getTimestamp(8).getNanos() == 456_000_000, row.getString(8));
                }
            }
        }
        if (extended) {
            sql = "SELECT count(*) FROM crm.customers WHERE country = ANY (?)";
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                for (int round = 0; round < 3; round++) {
                    Array countries = connection.createArrayOf("text", new String[] {"DE", "FR"});
                    prepared.setArray(1, countries);
                    try (ResultSet row = prepared.executeQuery()) {
                        check(row.next() && row.getInt(1) == 27, row.getInt(1));
                    }
                }
            }
            sql = "SELECT ARRAY['a', 'b', NULL], ARRAY[1, 2]";
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                for (int round = 0; round < 3; round++) {
                    try (ResultSet row = prepared.executeQuery()) {
                        check(row.next(), "arrays");
                        Object[] texts = (Object[]) row.getArray(1).getArray();
                        check(texts.length == 3 && texts[1].equals("b") && texts[2] == null, "texts");
                        check(((Object[]) row.getArray(2).getArray()).length == 2, "numbers");
                    }
                }
            }
        }
    }

    private static void transactions(Connection connection) throws SQLException {
        check(connection.getAutoCommit(), "autocommit");
        for (int level : new int[] {
            Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_READ_COMMITTED
        }) {
            connection.setTransactionIsolation(level);
            check(connection.getTransactionIsolation() == level, "isolation " + level);
        }
        connection.setReadOnly(true);
        check(connection.isReadOnly(), "read-only");
        count(connection);
        connection.setAutoCommit(false);
        count(connection);
        Savepoint named = connection.setSavepoint("a \"named\" one");
        Savepoint first = connection.setSavepoint();
        check(fails(connection, "SELECT 1 / 0").equals("22012"), "division by zero");
        check(fails(connection, "SELECT 1").equals("25P02"), "a failed block");
        connection.rollback(first);
        count(connection);
        connection.releaseSavepoint(named);
        connection.commit();
        count(connection);
        connection.rollback();
        connection.setAutoCommit(true);
        connection.setReadOnly(false);
        check(connection.isValid(5), "valid");
    }

    private static void count(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT count(*) FROM crm.customers")) {
            check(row.next() && row.getInt(1) == 40, "40 customers");
        }
    }

    /** The SQLSTATE that a statement fails with. */
    private static String fails(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException error) {
            return error.getSQLState();
        }
        throw new AssertionError("no error: " + sql);
    }

    private static void settings(Connection connection) throws SQLException {
        connection.setClientInfo("ApplicationName", "another name");
        check(value(connection, "SHOW application_name").equals("another name"), "application_name");
        check(connection.getSchema() != null || true, "a schema may be absent");
        connection.setSchema("crm");
        check("crm".equals(connection.getSchema()), connection.getSchema());
        check(value(connection, "SELECT count(*) FROM customers").equals("40"), "by the search path");
        check(value(connection, "SELECT current_user").equals(user), "current_user");
        check(connection.getCatalog().equals(value(connection, "SELECT current_database()")), "catalog");
        check(connection.nativeSQL("SELECT {fn now()}").contains("now"), "native");
        check(value(connection, "SELECT {fn ucase('x')} || {d '2024-01-02'}").equals("X2024-01-02"), "escapes");
        connection.setSchema("public");
    }

    private static String value(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            check(row.next(), sql);
            return row.getString(1);
        }
    }

    /** Rows in portions, with other statements in between. */
    private static void cursors(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        for (int round = 0; round < 3; round++) {
            try (PreparedStatement prepared = connection.prepareStatement("SELECT id, amount FROM crm.orders ORDER BY id")) {
                prepared.setFetchSize(7);
                ResultSet rows = prepared.executeQuery();
                int found = 0;
                while (rows.next()) {
                    found++;
                    check(rows.getInt(1) == found, rows.getInt(1));
                    if (found % 50 == 0) {
                        count(connection);
                    }
                }
                check(found == 120, found);
            }
            try (PreparedStatement prepared = connection.prepareStatement("SELECT id FROM crm.orders ORDER BY id")) {
                prepared.setFetchSize(7);
                prepared.setMaxRows(20);
                ResultSet rows = prepared.executeQuery();
                int found = 0;
                while (rows.next()) {
                    found++;
                }
                check(found == 20, found);
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
        Statement scrolling = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
        ResultSet rows = scrolling.executeQuery("SELECT id FROM crm.customers ORDER BY id");
        check(rows.last() && rows.getRow() == 40 && rows.first() && rows.absolute(3) && rows.getInt(1) == 3, "scrolling");
        scrolling.close();
    }

    private static void errors(Connection connection) throws SQLException {
        Set<String> told = new HashSet<>();
        for (String schema : List.of("hr", "no")) {
            try (PreparedStatement prepared = connection.prepareStatement("SELECT * FROM " + schema + ".salaries WHERE 1 = ?")) {
                prepared.setInt(1, 1);
                prepared.executeQuery();
                throw new AssertionError(schema);
            } catch (SQLException error) {
                check(error.getSQLState().equals("42P01"), error.getSQLState());
                told.add(error.getMessage().replace(schema + ".", "?."));
            }
        }
        check(told.size() == 1, told);
        check(fails(connection, "SELEC 1").equals("42601"), "syntax");
        check(fails(connection, "SELECT income FROM crm.customers").equals("42703"), "column");
        check(fails(connection, "SELECT nothing(1)").equals("42883"), "function");
        count(connection);
    }

    /**
     * A statement that would run for very long, canceled from another thread. The driver cancels a statement once,
     * and a cancel that comes before its statement is for none: then the statement's time runs out, and it is tried
     * again.
     */
    private static void cancel(Connection connection) throws Exception {
        String tables = "crm.orders a, crm.orders b, crm.orders c, crm.orders d, crm.orders e, crm.orders f";
        String sql = "SELECT sum(a.id + b.id + c.id + d.id + e.id + f.id) FROM " + tables;
        boolean canceled = false;
        for (int round = 0; round < 5 && !canceled; round++) {
            try (Statement statement = connection.createStatement()) {
                statement.execute("SET statement_timeout = '20s'");
                Thread canceler = new Thread(() -> {
                    try {
                        Thread.sleep(1000);
                        statement.cancel();
                    } catch (InterruptedException | SQLException end) {
                        // The statement's time runs out.
                    }
                });
                canceler.start();
                try {
                    statement.executeQuery(sql);
                    throw new AssertionError("not canceled");
                } catch (SQLException error) {
                    check(error.getSQLState().equals("57014"), error);
                    canceled = !error.getMessage().contains("statement timeout");
                } finally {
                    canceler.join();
                }
            }
        }
        check(canceled, "canceled by the client");
        try (Statement statement = connection.createStatement()) {
            statement.execute("RESET statement_timeout");
        }
        count(connection);
    }

    private static void batch(Connection connection) throws SQLException {
        // A prepared statement outlives changes of settings, and many share a connection.
        List<PreparedStatement> open = new ArrayList<>();
        for (int number = 0; number < 300; number++) {
            PreparedStatement prepared = connection.prepareStatement("SELECT " + number + " + ?");
            prepared.setInt(1, number);
            ResultSet row = prepared.executeQuery();
            check(row.next() && row.getInt(1) == 2 * number, number);
            open.add(prepared);
        }
        for (PreparedStatement prepared : open) {
            prepared.close();
        }
    }

    /** What the driver says of a result's columns, which it asks the catalogs for. */
    private static void columns(Connection connection) throws SQLException {
        String sql = "SELECT c.id, email AS address, o.amount, o.amount * 2 AS twice, count(*) OVER () FROM crm.customers c"
                + " JOIN crm.orders o ON o.customer_id = c.id LIMIT 1";
        try (PreparedStatement prepared = connection.prepareStatement(sql)) {
            ResultSetMetaData told = prepared.getMetaData();
            for (int n = 1; n <= told.getColumnCount(); n++) {
                System.out.println("result column " + told.getColumnLabel(n) + ": " + told.getSchemaName(n) + "."
                        + told.getTableName(n) + ", " + told.getColumnTypeName(n) + ", " + told.getColumnClassName(n)
                        + ", nullable " + told.isNullable(n) + ", automatic " + told.isAutoIncrement(n)
                        + ", signed " + told.isSigned(n));
            }
            check(prepared.getParameterMetaData().getParameterCount() == 0, "no parameters");
        }
        try (PreparedStatement prepared = connection.prepareStatement("SELECT 1 FROM crm.orders WHERE id = ? AND status = ?")) {
            System.out.println("parameters: " + prepared.getParameterMetaData().getParameterTypeName(1) + ", "
                    + prepared.getParameterMetaData().getParameterTypeName(2));
        }
    }

    private static void metadata(DatabaseMetaData data) throws SQLException {
        check(data.getDatabaseProductName().equals("PostgreSQL"), data.getDatabaseProductName());
        check(data.getDatabaseMajorVersion() >= 15, data.getDatabaseProductVersion());
        check(data.getSQLKeywords().length() > 100, data.getSQLKeywords());
        check(data.getMaxColumnNameLength() == 63 && data.getMaxColumnsInIndex() == 32, "limits");
        show("catalogs", data.getCatalogs());
        show("schemas", data.getSchemas());
        show("schemas like", data.getSchemas(null, "c%"));
        show("table types", data.getTableTypes());
        String[] tables = {"TABLE", "VIEW"};
        show("tables", data.getTables(null, null, "%", tables));
        show("tables of crm", data.getTables(null, "crm", "c%", null));
        show("hidden tables", data.getTables(null, "hr", "%", null));
        show("system tables", data.getTables(null, "pg_catalog", "pg\\_cla%", new String[] {"SYSTEM TABLE"}));
        show("columns", data.getColumns(null, "crm", "%", "%"));
        show("hidden columns", data.getColumns(null, "crm", "customers", "inc%"));
        for (String table : List.of("customers", "orders", "tenants")) {
            show("primary keys of " + table, data.getPrimaryKeys(null, "crm", table));
            show("imported keys of " + table, data.getImportedKeys(null, "crm", table));
            show("exported keys of " + table, data.getExportedKeys(null, "crm", table));
            show("indexes of " + table, data.getIndexInfo(null, "crm", table, false, true));
            show("best row of " + table, data.getBestRowIdentifier(null, "crm", table, 2, true));
            show("versions of " + table, data.getVersionColumns(null, "crm", table));
        }
        show("keys of hidden", data.getPrimaryKeys(null, "hr", "salaries"));
        show("indexes of hidden", data.getIndexInfo(null, "hr", "salaries", false, false));
        show("cross reference", data.getCrossReference(null, "crm", "customers", null, "crm", "orders"));
        show("functions", data.getFunctions(null, "crm", "%"));
        show("function columns", data.getFunctionColumns(null, "crm", "%", "%"));
        show("procedures", data.getProcedures(null, "crm", "%"));
        show("procedure columns", data.getProcedureColumns(null, "crm", "%", "%"));
        show("types", data.getUDTs(null, "crm", "%", null));
        show("client info", data.getClientInfoProperties());
        check(count(data.getTablePrivileges(null, "crm", "orders")) >= 0, "privileges");
        check(count(data.getColumnPrivileges(null, "crm", "orders", "%")) >= 0, "privileges of columns");
        check(count(data.getFunctions(null, null, "%")) >= 0, "all functions");
        // Of the many types, those that tables have.
        Set<String> known = new TreeSet<>(List.of("bool", "bytea", "int2", "int4", "int8", "float4", "float8", "numeric",
                "text", "varchar", "bpchar", "date", "time", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb",
                "_text", "_int8"));
        try (ResultSet types = data.getTypeInfo()) {
            Set<String> lines = new TreeSet<>();
            while (types.next()) {
                if (known.contains(types.getString("TYPE_NAME"))) {
                    lines.add(line(types));
                }
            }
            lines.forEach(text -> System.out.println("type " + text));
        }
    }

    private static int count(ResultSet rows) throws SQLException {
        int count = 0;
        while (rows.next()) {
            count++;
        }
        rows.close();
        return count;
    }

    private static String line(ResultSet row) throws SQLException {
        List<String> cells = new ArrayList<>();
        for (int n = 1; n <= row.getMetaData().getColumnCount(); n++) {
            cells.add(row.getMetaData().getColumnLabel(n) + "=" + row.getString(n));
        }
        return String.join(" ", cells);
    }

    private static void show(String what, ResultSet rows) throws SQLException {
        int count = 0;
        while (rows.next()) {
            count++;
            System.out.println(what + ": " + line(rows));
        }
        if (count == 0) {
            System.out.println(what + ": none");
        }
        rows.close();
    }
}
