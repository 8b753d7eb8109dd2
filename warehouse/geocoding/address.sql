-- How an address is read: cleaned, split, and reduced to the keys it is matched by.
-- Temporary macros, so that a read-only warehouse can geocode too.

create or replace temp macro clean_address(address) as
    trim(regexp_replace(regexp_replace(lower(nfc_normalize(
        -- Soft hyphens and zero-width characters are invisible; they go first, lest
        -- they keep a letter from its accent.
        regexp_replace(address, '[\x{00AD}\x{200B}-\x{200F}\x{2060}\x{FEFF}]', '', 'g')
    )), '[\x{2010}-\x{2015}\x{2212}]', '-', 'g'),
    '[\s\x{00A0}\x{2000}-\x{200A}\x{202F}\x{3000}]+', ' ', 'g'));

-- "s v e a v ä g e n 9 8" was spaced by a designer; real words are never this short.
create or replace temp macro unspaced(cleaned) as
    if(
        regexp_full_match(split_part(cleaned, ',', 1), '(\S ){5,}\S'),
        replace(split_part(cleaned, ',', 1), ' ', ''),
        cleaned
    );

create or replace temp macro address_parts(cleaned) as
    regexp_extract(
        cleaned,
        '^([^0-9,(]*[^0-9,(\s-])[\s,]*([0-9]{1,4})\s?(?:([a-zåäö])?\s?[-/]\s?([0-9]{1,4}))?(.*)$',
        ['street', 'number', 'letter', 'number_to', 'rest']
    );

-- "Storgatan 3 tr" has a floor and no number.
create or replace temp macro is_floor(rest) as
    regexp_matches(rest, '^(:?e)?\s?(tr|trappor|trappa|vån|våning)([^a-zåäö]|$)');

create or replace temp macro street_of(cleaned) as
    trim(regexp_extract(cleaned, '^([^0-9,(]+)', 1), ' -');

create or replace temp macro number_of(parts) as
    if(is_floor(parts.rest), null, try_cast(nullif(parts.number, '') as integer));

create or replace temp macro letter_of(parts) as
    coalesce(
        nullif(parts.letter, ''),
        regexp_extract(parts.rest, '^\s?([a-zåäö])(?:[^a-zåäö.]|\.?$|\. )', 1)
    );

-- The last number of "5-7": on the same side and not far off, else it is a floor.
create or replace temp macro number_to_of(parts) as
    case
        when try_cast(parts.number_to as integer) > try_cast(parts.number as integer)
            and try_cast(parts.number_to as integer)
            <= try_cast(parts.number as integer) + 30
            and try_cast(parts.number_to as integer) % 2
            = try_cast(parts.number as integer) % 2
            then try_cast(parts.number_to as integer)
    end;

create or replace temp macro letters_of(words) as
    regexp_replace(words, '[^\p{L}\p{N}]', '', 'g');

create or replace temp macro place_key(words) as
    coalesce(letters_of(clean_address(words)), '');

-- Long and short forms fall together; where two streets do, the match is refused.
create or replace temp macro first_word_short(street) as
    regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        street,
        '^(sankt|stora|s:t|st)\.?\s', 'st '),
        '^(sankta|s:ta)\.?\s', 'sta '),
        '^(norra|n)[. ]\s?', 'n '),
        '^(södra|s)[. ]\s?', 's '),
        '^(västra|v)[. ]\s?', 'v '),
        '^(östra|ö)[. ]\s?', 'ö '),
        '^(lilla|l)[. ]\s?', 'l '),
        '^(gamla|gla|g)[. ]\s?', 'g '),
        '^(doktor|dr)\.?\s', 'dr '),
        '^(professor|prof)\.?\s', 'prof '),
        '^(kapten|kapt)\.?\s', 'kapt ');

-- Capitals mark what was shortened: the text is lower case, so nothing else has them.
create or replace temp macro last_word_short(street) as
    regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        regexp_replace(
        street,
        '(vägen|väg|v)\.?$', 'V'),
        '(gatan|gata|g)\.?$', 'G'),
        '(gränden|gränd|gr\.)$', 'R'),
        '(stigen|stig|st\.)$', 'S'),
        '(planen|plan|platsen|plats|pl\.)$', 'P'),
        '(torget|torg|t\.)$', 'T'),
        '(backen|backe|b\.)$', 'B');

create or replace temp macro alias_key(street) as
    letters_of(last_word_short(first_word_short(street)));

create or replace temp macro folded(key) as strip_accents(key);

-- A typo is looked for in the long form, where "-vägen" and "-gatan" lie far apart.
create or replace temp macro typo_key(street) as
    folded(letters_of(regexp_replace(regexp_replace(
        street, '(v\.| v)$', 'vägen'), '(g\.| g)$', 'gatan')));

-- A key and all it becomes by losing one letter: two words one typo apart share one.
create or replace temp macro deletions(key) as
    list_distinct(list_append(
        [key[:i - 1] || key[i + 1:] for i in range(1, len(key) + 1)], key
    ));

-- Metres between two places not far apart (the sphere taken for flat).
create or replace temp macro metres_between(lat_a, lon_a, lat_b, lon_b) as
    111195.0 * sqrt(
        (lat_a - lat_b) ** 2
        + ((lon_a - lon_b) * cos(radians((lat_a + lat_b) / 2))) ** 2
    );

-- Uncertainty is learnt per class: how far apart the known neighbours are, in doublings.
create or replace temp macro distance_class(metres) as
    cast(least(greatest(ceil(log2(greatest(metres, 1) / 10)), 0), 10) as integer);
