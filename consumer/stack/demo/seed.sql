-- name: customers
INSERT INTO shop.customers
SELECT md5('customer' || i)::uuid, 'customer' || i || '@shop.example', 'Customer ' || i,
       (enum_range(NULL::shop.tier))[1 + i %% 3], round((i * 7919 %% 100000) / 100.0, 2),
       CASE WHEN i %% 5 > 0 THEN jsonb_build_object('newsletter', i %% 2 = 0, 'language', 'l' || i %% 9) END,
       NULL, timestamptz '2020-01-01 00:00:00+00' + i * interval '1.234567 seconds', clock_timestamp()
FROM generate_series(1, %(count)s) AS i

-- name: products
INSERT INTO shop.products
SELECT i, 'SKU-' || lpad(i::text, 7, '0'), 'Product ' || i, round(1 + (i * 31 %% 50000) / 100.0, 2),
       jsonb_build_object('colour', 'c' || i %% 12, 'size', jsonb_build_array(i %% 40, i %% 30)),
       decode(repeat(md5('thumbnail' || i), 6), 'hex'),
       (SELECT string_agg(md5(i || '.' || part), ' ') FROM generate_series(1, 70 + i %% 30) AS part),
       NULL, clock_timestamp()
FROM generate_series(1, %(count)s) AS i

-- name: orders
INSERT INTO shop.orders
SELECT i, md5('customer' || 1 + i * 17 %% %(customers)s)::uuid, (enum_range(NULL::shop.order_status))[1 + i %% 6],
       round((i * 101 %% 90000) / 100.0, 2), NULL,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '12.345678 seconds', NULL
FROM generate_series(1, %(count)s) AS i

-- name: order_items
INSERT INTO shop.order_items
SELECT 1 + i %% %(orders)s, 1 + i / %(orders)s, 1 + i * 13 %% %(products)s, 1 + i %% 7,
       round(1 + (i * 13 %% 50000) / 100.0, 2), NULL
FROM generate_series(0, %(count)s - 1) AS i

-- name: payments
INSERT INTO shop.payments
SELECT 'PAY-' || lpad(i::text, 9, '0'), 1 + (i - 1) %% %(orders)s, (enum_range(NULL::shop.payment_method))[1 + i %% 4],
       round((i * 103 %% 90000) / 100.0, 2),
       CASE WHEN i %% 3 > 0 THEN jsonb_build_object('terminal', i %% 50, 'approved', true) END,
       decode(md5('receipt' || i), 'hex'), NULL,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '15.5 seconds'
FROM generate_series(1, %(count)s) AS i

-- name: order_ids
SELECT setval(pg_get_serial_sequence('shop.orders', 'id'), %(count)s)
