-- Views of a trace, for DuckDB. Name the trace first, then run this file:
--
--   CREATE VIEW trace AS FROM 'create.parquet';
--   .read views.sql
--
-- What each row costs is known where a table says so, before this file is run (ipa_bits is the host's IPA size):
--
--   CREATE TABLE prices (event BIGINT, host VARCHAR, ipa_bits UTINYINT, price_us DOUBLE);
CREATE TABLE IF NOT EXISTS prices (event BIGINT, host VARCHAR, ipa_bits UTINYINT, price_us DOUBLE);

-- TLBIs, a row each: the function that issued it, and its whole call path. `operand` is Xt.
CREATE OR REPLACE VIEW tlbis AS
SELECT event, phase, pcpu, name, vmid, domain, split_part(site, ' < ', 1) AS caller, site AS call_path, after AS operand
FROM trace
WHERE kind = 'tlbi';

CREATE OR REPLACE VIEW tlbis_by_phase AS
SELECT phase, name, count(*) AS times FROM tlbis GROUP BY ALL ORDER BY min(event);

CREATE OR REPLACE VIEW tlbis_by_caller AS
SELECT caller, name, count(*) AS times FROM tlbis GROUP BY ALL ORDER BY times DESC, caller, name;

CREATE OR REPLACE VIEW tlbis_by_vmid AS
SELECT vmid, name, count(*) AS times FROM tlbis GROUP BY ALL ORDER BY vmid, times DESC, name;

-- Valid stage-2 descriptors (bit 0) that were made invalid.
CREATE OR REPLACE VIEW removals AS
SELECT event, phase, pcpu, vmid, level, slot, address, before AS descriptor, split_part(site, ' < ', 1) AS caller, site AS call_path
FROM trace
WHERE kind = 'write' AND stage = 2 AND before & 1 = 1 AND after & 1 = 0;

-- Each removal with the next TLBI on its pCPU that reaches stage 2, null where none follows. A removal's `vmid` is the one in
-- force at the write, the flush's that of the domain whose mapping went: they differ where one domain works on another's.
CREATE OR REPLACE VIEW flushes_after_removals AS
SELECT r.event, r.phase, r.pcpu, r.vmid, r.caller, f.event AS flush_event, f.name AS flush, f.vmid AS flush_vmid,
       f.event - r.event AS rows_later
FROM removals AS r
ASOF LEFT JOIN (FROM tlbis WHERE regexp_matches(name, '^(R?IPAS2|VMALLS12|ALLE1)')) AS f
  ON r.pcpu = f.pcpu AND r.event <= f.event;

-- How many removals each flush serves: 1 where Xen flushes for each page, more where it gathers.
CREATE OR REPLACE VIEW removals_by_flush AS
SELECT phase, flush, removals, count(*) AS times
FROM (SELECT phase, flush, flush_event, count(*) AS removals FROM flushes_after_removals GROUP BY ALL)
GROUP BY ALL ORDER BY phase, times DESC;

-- TLBIs with their price on each host of `prices`: null where it is not known.
CREATE OR REPLACE VIEW tlbi_prices AS
SELECT tlbis.*, host, ipa_bits, price_us FROM tlbis LEFT JOIN prices USING (event);

CREATE OR REPLACE VIEW price_by_caller AS
SELECT host, ipa_bits, caller, name, count(*) AS times, sum(price_us) AS price_us
FROM tlbi_prices WHERE price_us IS NOT NULL GROUP BY ALL ORDER BY price_us DESC;
