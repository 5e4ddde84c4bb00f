-- A database as an app's migrations leave it: of any names, in places open, with what Supabase's platform asks for.
create role shop_reader nologin;
create schema shop;
grant usage on schema shop to anon, authenticated, shop_reader;
create type shop.state as enum ('new', 'paid');
create table public."Profiles" (id uuid primary key, name text, is_public boolean not null default false);
create table public.orders (
    id bigint generated always as identity primary key, owner uuid references public."Profiles" (id),
    state shop.state not null default 'new', total numeric check (total >= 0)
);
create table shop.items (id serial primary key, title text not null);
create table shop.prices (item int references shop.items (id), price numeric, primary key (item, price));
create table public.rates (code text primary key);
alter table public."Profiles" enable row level security;
alter table public.orders enable row level security;
alter table public.orders force row level security;
alter table shop.items enable row level security;
create policy "Public profiles are viewable by everyone." on public."Profiles" for select using (is_public);
create policy "Users can do ""anything""" on public."Profiles" to authenticated using (true) with check (id is not null);
create policy mine on public.orders for all to authenticated using (owner = '00000000-0000-0000-0000-000000000001');
create policy mine on shop.items as restrictive for update to authenticated, shop_reader using (id > 0);
create policy nothing on public.rates for select to anon;
comment on policy mine on public.orders is 'One''s own,
on two lines.';
comment on schema shop is 'What is sold.';
grant all on public."Profiles", public.orders to anon, authenticated;
grant select (id, title), insert (title) on shop.items to authenticated;
grant select on shop.prices to shop_reader with grant option;
create view shop.cheap as select * from shop.prices where price < 10;
grant select on shop.cheap to anon;
create materialized view shop.counted as select count(*) from shop.prices;
create function public.total(owner uuid) returns numeric language sql security definer
    as 'select sum(total) from public.orders o where o.owner = $1';
create function shop.touch() returns trigger language plpgsql as $$ begin return new; end $$;
create procedure shop.close() language plpgsql set search_path = '' as $$ begin end $$;
revoke execute on function shop.touch() from public;
create trigger touched before update on public.orders for each row execute function shop.touch();
create publication changes for table public.orders, shop.items (id);
create schema supabase_migrations;
create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
insert into supabase_migrations.schema_migrations (version, name) values
    ('20230101120000', 'remote_schema'), ('20230202120000', 'orders');
