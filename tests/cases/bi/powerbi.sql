-- folded group
select "_"."region", "_"."a0" from (select "rows"."region" as "region", sum("rows"."quantity") as "a0" from (select "region", "quantity" from "bi"."sales" "$Table") "rows" group by "region") "_" where not "_"."a0" is null limit 1000001;
-- direct query over a join
select "basetable0"."c12", count(*) as "a0" from (select "$Outer"."region" as "c12", "$Inner"."category" as "c33" from (select "id", "product_id", "region" from "bi"."sales" "$Table") "$Outer" left outer join (select "id" as "id0", "category" from "bi"."products" "$Table") "$Inner" on ("$Outer"."product_id" = "$Inner"."id0")) as "basetable0" where "basetable0"."c33" = 'Desks' group by "basetable0"."c12" limit 1000001;
-- preview
select "$Table"."id" as "id", "$Table"."region" as "region", "$Table"."order_date" as "order_date", "$Table"."ordered_at" as "ordered_at", "$Table"."paid" as "paid" from "bi"."sales" "$Table" limit 0;
-- distinct values that aren't null
select distinct "_"."city" from (select "city" from "bi"."customers" "$Table" where not "city" is null) "_" order by "_"."city" limit 501;
-- range of timestamps
select "_"."id", "_"."ordered_at" from "bi"."sales" "_" where "_"."ordered_at" >= timestamp '2024-02-01 00:00:00' and "_"."ordered_at" < timestamp '2024-02-11 00:00:00' order by "_"."ordered_at", "_"."id" limit 1000;
-- measures of measures
select sum("t"."a0") as "s", max("t"."a0") as "m", min("t"."a0") as "n", avg(cast("t"."a0" as double precision)) as "a" from (select "customer_id", sum("quantity" * "unit_price") as "a0" from "bi"."sales" group by "customer_id") "t";
-- two equal aggregates
select count(*), count(*), sum(quantity), sum(quantity) from "bi"."sales";
-- case of nulls in order
select "rows"."category" as "category", count(1) as "Count", count(distinct "rows"."name") as "CountDistinct" from "bi"."products" "rows" group by "category" order by case when "rows"."category" is null then 0 else 1 end, "rows"."category" limit 1001;
-- row count of a fold
select count(1) as "$Item" from (select "rows"."category" from "bi"."products" "rows" group by "category") "rows";
-- date parts
select date_part('year', "_"."order_date") as "y", date_part('month', "_"."order_date") as "m", date_part('day', "_"."order_date") as "d", cast("_"."quantity" as numeric) as "q" from "bi"."sales" "_" where "_"."id" <= 40;
-- union of folds
select "_"."k", "_"."v" from (select "region" as "k", sum("quantity") as "v" from "bi"."sales" group by "region" union all select "category" as "k", sum("price") as "v" from "bi"."products" group by "category") "_" where "_"."v" > 0;
