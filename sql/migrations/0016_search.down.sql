-- 0016 search: functions and words go.
-- Lock: access exclusive on three tables for a moment, for their triggers. Duration: instant.
-- Down: loses no data; the words are made of texts that stay.

drop function public.search_generations(text, integer, real, uuid, text);
drop function private.search_generations(text, integer, real, uuid, text);
drop function public.search_recordings(text, integer, real, uuid, text);
drop function private.search_recordings(text, integer, real, uuid, text);
drop function private.search_in_projects(
    regclass, regclass, name, name, name[], text, integer, real, uuid, text
);
drop function private.excerpt(text, text);
drop function public.search_projects(text, integer, real, uuid, text);
drop function private.search_projects(text, integer, real, uuid, text);
drop function private.newest_with(tsquery, boolean, uuid[]);
drop function private.some_with(tsquery, boolean);
drop function private.newest_of(uuid[], boolean, tsquery, bigint, bigint);
drop function private.indexed_part(tsquery);

drop trigger _310_words_again on public.prompt_generations;
drop trigger _300_words on public.prompt_generations;
drop function private.tg_prompt_generations__words();
drop trigger _310_words_again on public.audio_recordings;
drop trigger _300_words on public.audio_recordings;
drop function private.tg_audio_recordings__words();
drop trigger _320_list on public.projects;
drop trigger _310_words_again on public.projects;
drop trigger _300_words on public.projects;
drop function private.tg_projects__list();
drop function private.tg_projects__words();

drop table private.generation_words;
drop table private.recording_words;
drop table private.project_words;

drop function private.search_query(text, regconfig);
drop function private.text_words(text, text, text);
drop function private.words_of(text, regconfig, integer);
drop function private.language_of(uuid);
drop function private.text_config(text);
drop function private.search_text(text, boolean);
drop function private.plain_text(text);
