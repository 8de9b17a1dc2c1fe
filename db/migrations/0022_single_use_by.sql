-- Which request used a single-use token, so that one whose answer was lost may ask again (single-use.ts). null = not noted.
alter table single_use_token add column used_by uuid;
