-- Two people at one browser replace each other's cookie; what replaces a cookie stands for the same browser.
alter table identity.device add column browser uuid;
update identity.device set browser = id;
alter table identity.device alter column browser set not null;
