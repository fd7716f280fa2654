-- name: insert_order
INSERT INTO shop.orders (customer_id, status, total)
VALUES (md5('customer' || %(customer)s)::uuid, 'placed', round((%(chance)s %% 90000) / 100.0, 2))
RETURNING id

-- name: insert_items
INSERT INTO shop.order_items
SELECT %(order)s, line, product.id, 1 + %(chance)s %% 5, product.price, NULL
FROM generate_series(1, %(lines)s) AS line
JOIN shop.products AS product ON product.id = 1 + (%(chance)s + line * 7919) %% %(products)s

-- name: insert_payment
INSERT INTO shop.payments (reference, order_id, method, amount, details, receipt)
VALUES ('PAY-N' || %(order)s, %(order)s, 'card', round((%(chance)s %% 90000) / 100.0, 2),
        jsonb_build_object('terminal', %(chance)s %% 50), decode(md5(%(chance)s::text), 'hex'))

-- name: progress_orders
UPDATE shop.orders
SET status = (enum_range(NULL::shop.order_status))[1 + (id + %(chance)s) %% 6], changed_at = clock_timestamp()
WHERE id = ANY (%(ids)s)

-- name: reprice_products
UPDATE shop.products SET price = round(price * 1.01 + 0.01, 2) %% 9000000, changed_at = clock_timestamp()
WHERE id = ANY (%(ids)s)

-- name: redescribe_products
UPDATE shop.products
SET description = (SELECT string_agg(md5(%(chance)s || '.' || part), ' ') FROM generate_series(1, 80) AS part),
    attributes = attributes || jsonb_build_object('edition', %(chance)s), changed_at = clock_timestamp()
WHERE id = ANY (%(ids)s)

-- name: update_customers
UPDATE shop.customers
SET balance = (balance + %(chance)s %% 1000 / 100.0) %% 1000000, tier = (enum_range(NULL::shop.tier))[1 + %(chance)s %% 3],
    preferences = CASE WHEN %(chance)s %% 4 > 0 THEN jsonb_build_object('language', 'n' || %(chance)s %% 9) END,
    changed_at = clock_timestamp()
WHERE id = ANY (SELECT md5('customer' || number)::uuid FROM unnest(%(ids)s::bigint[]) AS number)

-- name: insert_customer
INSERT INTO shop.customers
VALUES (md5('customer' || %(customer)s)::uuid, 'customer' || %(customer)s || '@shop.example',
        'Customer ' || %(customer)s, 'guest', 0, NULL, NULL, clock_timestamp(), clock_timestamp())

-- name: delete_payments
DELETE FROM shop.payments WHERE order_id = %(order)s

-- name: delete_items
DELETE FROM shop.order_items WHERE order_id = %(order)s

-- name: delete_order
DELETE FROM shop.orders WHERE id = %(order)s

-- name: rebook_payments
UPDATE shop.payments SET reference = reference || '-R', note = 'rebooked' WHERE order_id = %(order)s

-- name: renumber_items
UPDATE shop.order_items SET line = line + 100 WHERE order_id = %(order)s

-- name: burst_orders
UPDATE shop.orders SET note = 'campaign ' || %(chance)s, changed_at = clock_timestamp()
WHERE id IN (SELECT id FROM shop.orders WHERE id > %(order)s ORDER BY id LIMIT %(size)s)

-- name: burst_payments
INSERT INTO shop.payments (reference, order_id, method, amount, details, receipt)
SELECT 'PAY-B' || %(chance)s || '-' || id, id, 'voucher', 5, jsonb_build_object('campaign', %(chance)s), NULL
FROM shop.orders WHERE id > %(order)s ORDER BY id LIMIT %(size)s

-- name: mark_customers
UPDATE shop.customers SET note = %(mark)s WHERE id = md5('customer1')::uuid

-- name: mark_products
UPDATE shop.products SET note = %(mark)s WHERE id = 1

-- name: mark_orders
UPDATE shop.orders SET note = %(mark)s WHERE id = 1

-- name: mark_order_items
UPDATE shop.order_items SET note = %(mark)s WHERE (order_id, line) = (1, 1)

-- name: mark_payments
UPDATE shop.payments SET note = %(mark)s WHERE reference = 'PAY-000000001'
